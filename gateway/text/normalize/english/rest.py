"""The digits and signs that no rule has claimed, one by one."""

from __future__ import annotations

import re
import unicodedata

from gateway.text.mapped_text import Edit
from gateway.text.normalize.english.signs import sign_name
from gateway.text.normalize.english.words import integer, number
from gateway.text.normalize.shared import apart

_SPOKEN_PUNCTUATION = "#%&*/@\\\\_§¶†‡•"
_PLAIN = re.compile(rf"\d+|[^\w\s]|[{_SPOKEN_PUNCTUATION}²³¹¼-¾⁰-₟⅐-↋①-⓿❶-➓㈠-㉉㊀-㊰]")


def read_rest(text: str) -> list[Edit]:
    """Read the digits and signs of a part of a sentence; none is left.

    :returns: edits in order, without overlaps.
    """
    edits = []
    for match in _PLAIN.finditer(text):
        written = match[0]
        if not any(map(_is_unread, written)):
            continue
        if words := integer(written) if written.isdecimal() else _numeral(written) or sign_name(written):
            category = "cardinal" if written[0].isnumeric() else "sign"
            edits.append(Edit(*match.span(), apart(text, *match.span(), words), category))
    return edits


def _numeral(char: str) -> str:
    value = unicodedata.numeric(char, None)
    return "" if value is None else number(f"{value:.6f}".rstrip("0").rstrip("."))


def _is_unread(char: str) -> bool:
    return unicodedata.category(char)[0] in "NS" or char in _SPOKEN_PUNCTUATION
