"""Numbers in words, by ``num2words`` (LGPL-2.1), for any language that it has."""

from __future__ import annotations

from functools import lru_cache

from num2words import num2words

MAX_DIGITS = 15  # longer numbers are read digit by digit


@lru_cache(maxsize=4096)
def cardinal(number: int, language: str) -> str:
    """A cardinal number, e.g. ``one thousand two hundred and thirty four``."""
    return _plain(num2words(number, lang=language))


@lru_cache(maxsize=1024)
def ordinal(number: int, language: str) -> str:
    """An ordinal number, e.g. ``twenty first``."""
    return _plain(num2words(number, lang=language, to="ordinal"))


@lru_cache(maxsize=1024)
def year(number: int, language: str) -> str:
    """A year, e.g. ``nineteen eighty four``."""
    return _plain(num2words(number, lang=language, to="year"))


def digits(written: str, language: str) -> str:
    """Digits one by one; other characters are left out."""
    return " ".join(cardinal(int(char), language) for char in written if char.isdecimal())


def _plain(words: str) -> str:
    """Without commas and hyphens, which would be spoken as pauses."""
    return words.replace(",", "").replace("-", " ")
