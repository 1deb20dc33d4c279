"""SSML's ``say-as``: the words for a content of a given kind."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from gateway.errors import InvalidRequest
from gateway.text.normalize import numbers

SILENT_KIND = "expletive"
"""The kind whose content is not spoken."""

_CHINESE_DIGITS = "零一二三四五六七八九"  # num2words has no Chinese
_ORDINAL = re.compile(r"(\d{1,15})(?:st|nd|rd|th|\.|º|ª|er|re|e|ème)?", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"\d{1,15}", re.ASCII)
_PHONE = re.compile(r"[\d\s()+./-]{1,40}", re.ASCII)
_PACKED_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_DATE = re.compile(r"(\d{1,4})\s?[-/. ]\s?(\d{1,2})\s?[-/. ]\s?(\d{1,4})\.?", re.ASCII)


def read_say_as(content: str, kind: str, form: str | None, language: str) -> str | None:
    """Return the words for a content; None: it is read by the normalizer.

    :param kind: value of ``interpret-as``.
    :param form: value of ``format``; the order of a date's fields.
    :param language: BCP 47 primary subtag.
    :raises InvalidRequest: for an unknown kind, and an invalid date.
    """
    if kind not in _READERS and kind not in _READ_BY_NORMALIZER:
        known = ", ".join(sorted({*_READERS, *_READ_BY_NORMALIZER}))
        raise InvalidRequest(f"unknown say-as interpret-as {kind!r}: must be one of {known}", param="text")
    if kind == "date":
        return _date(content.strip(), form)
    reader = _READERS.get(kind)
    try:
        return reader(content.strip(), language) if reader else None
    except NotImplementedError:  # by num2words: it does not have the language, or no ordinals in it
        return None


def _spell(content: str, language: str) -> str:
    """Name characters one by one; a capital is more clearly a letter's name."""
    spelled: list[str] = []
    for char in unicodedata.normalize("NFC", content):
        if char.isspace():
            continue
        if unicodedata.combining(char) and spelled:
            spelled[-1] += char
        elif char.isdecimal():
            spelled.append(_digits(char, language))
        else:
            upper = char.upper()
            spelled.append(upper if len(upper) == 1 else char)
    return " ".join(spelled)


def _digits(content: str, language: str) -> str:
    if language == "zh":
        return " ".join(_CHINESE_DIGITS[int(char)] for char in content if char.isdecimal())
    return numbers.digits(content, language)


def _ordinal(content: str, language: str) -> str | None:
    match = _ORDINAL.fullmatch(content)
    if match is None:
        return None
    return f"第{match[1]}" if language == "zh" else numbers.ordinal(int(match[1]), language)


def _cardinal(content: str, language: str) -> str | None:
    """Read an integer here, because the normalizer may take it for a year."""
    return numbers.cardinal(int(content), language) if _INTEGER.fullmatch(content) else None


def _telephone(content: str, language: str) -> str | None:
    """Read a number digit by digit, with a pause between its groups."""
    if language in ("zh", "ja") or content.startswith("+") or not _PHONE.fullmatch(content):
        return None  # the normalizer knows these forms
    return ", ".join(_digits(group, language) for group in re.findall(r"\d+", content))


def _date(content: str, form: str | None) -> str | None:
    """Return a date in the order that every language's normalizer reads: ``2024-05-17``."""
    order = (form or "ymd").lower().replace("yyyy", "y").replace("mm", "m").replace("dd", "d")
    if order not in ("mdy", "dmy", "ymd"):
        raise InvalidRequest(f"unknown say-as format {form!r} of a date: must be mdy, dmy or ymd", param="text")
    match = _PACKED_DATE.fullmatch(content) if order == "ymd" else None
    match = match or (_DATE.fullmatch(content) if form else None)
    if match is None:
        return None
    fields = dict(zip(order, match.groups(), strict=True))
    year, month, day = int(fields["y"]), int(fields["m"]), int(fields["d"])
    if len(fields["y"]) <= 2:
        year += 2000 if year < 69 else 1900  # as strptime does
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise InvalidRequest(f"{content!r} is not a date in the order {order}", param="text")
    return f"{year:04}-{month:02}-{day:02}"


_READERS: dict[str, Callable[[str, str], str | None]] = {
    "characters": _spell,
    "spell-out": _spell,
    "digits": _digits,
    "cardinal": _cardinal,
    "number": _cardinal,
    "ordinal": _ordinal,
    "telephone": _telephone,
}
_READ_BY_NORMALIZER = frozenset({"date", "time", "currency", "fraction", "unit", "address", SILENT_KIND})
