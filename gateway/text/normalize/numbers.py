"""Numbers in words, by ``num2words`` (LGPL-2.1), for any language that it has."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from num2words import CONVERTER_CLASSES, num2words

MAX_DIGITS = 15  # longer numbers are read digit by digit
_MAX_DIGITS = {"am": 3, "kn": 10, "te": 10}  # where the library fails; for Amharic 9,999,999 it never returns
_lock = threading.Lock()  # some of the library's converters keep the number that they are reading


def is_supported(language: str) -> bool:
    """Whether the library has a language."""
    return language in CONVERTER_CLASSES


@lru_cache(maxsize=4096)
def cardinal(number: int, language: str) -> str:
    """A cardinal number, e.g. ``one thousand two hundred and thirty four``."""
    return _read(number, language, "cardinal")


@lru_cache(maxsize=1024)
def ordinal(number: int, language: str) -> str:
    """An ordinal number, e.g. ``twenty first``; the cardinal one where the library has no ordinal."""
    try:
        return _read(number, language, "ordinal")
    except (NotImplementedError, AttributeError, IndexError, KeyError, ValueError, OverflowError):
        return cardinal(number, language)


@lru_cache(maxsize=1024)
def year(number: int, language: str) -> str:
    """A year, e.g. ``nineteen eighty four``."""
    return _read(number, language, "year")


@lru_cache(maxsize=1024)
def decimal(written: str, language: str) -> str | None:
    """A number with a decimal point; None where the library cannot read it."""
    try:
        return _read(Decimal(written), language, "cardinal")
    except Exception:  # noqa: BLE001 - a ValueError in some languages, a TypeError or an IndexError in others
        return None


def digits(written: str, language: str) -> str:
    """Digits one by one; other characters are left out."""
    return " ".join(cardinal(int(char), language) for char in written if char.isdecimal())


def _read(number: int | Decimal, language: str, kind: Literal["cardinal", "ordinal", "year"]) -> str:
    if len(written := str(number)) > _MAX_DIGITS.get(language, len(written)):
        if isinstance(number, Decimal):
            raise ValueError("too long")
        return digits(written, language)
    with _lock:
        words = str(num2words(number, lang=language, to=kind))
    words = words.replace(",", "")  # a comma would be spoken as a pause
    return words if language in _HYPHENATED else words.replace("-", " ")


_HYPHENATED = frozenset(["fr", "ca", "hu"])  # orthography has hyphens, e.g. trente-deux
