"""The digits and signs that no rule has claimed: by the grammar, and what that leaves, one by one."""

from __future__ import annotations

import re
import unicodedata

from gateway.text.mapped_text import Edit
from gateway.text.normalize.english.signs import sign_name
from gateway.text.normalize.english.words import integer, number
from gateway.text.normalize.grammar import category_of, read_by_grammar
from gateway.text.normalize.shared import apart

_SPOKEN_PUNCTUATION = "#%&*/@\\\\_§¶†‡•"
_PLAIN = re.compile(rf"\d+|[^\w\s]|[{_SPOKEN_PUNCTUATION}²³¹¼-¾⁰-₟⅐-↋①-⓿❶-➓㈠-㉉㊀-㊰]")


def read_rest(text: str) -> list[Edit]:
    """Read the digits and signs of a part of a sentence; none is left.

    :returns: edits in order, without overlaps.
    """
    if not any(map(_is_unread, text)):
        return []
    edits = [edit for edit in read_by_grammar(text, "en") if not any(map(_is_unread, edit.spoken))]
    position = 0
    for edit in [*edits, Edit(len(text), len(text), "", "")]:
        edits += _read_plain(text, position, edit.start)
        position = edit.end
    return sorted(edits, key=lambda edit: edit.start)


def _read_plain(text: str, start: int, end: int) -> list[Edit]:
    edits = []
    for match in _PLAIN.finditer(text, start, end):
        written = match[0]
        if not any(map(_is_unread, written)):
            continue
        if words := integer(written) if written.isdecimal() else _numeral(written) or sign_name(written):
            spoken = apart(text, match.start(), match.end(), words)
            edits.append(Edit(match.start(), match.end(), spoken, category_of(written)))
    return edits


def _numeral(char: str) -> str:
    value = unicodedata.numeric(char, None)
    return "" if value is None else number(f"{value:.6f}".rstrip("0").rstrip("."))


def _is_unread(char: str) -> bool:
    return unicodedata.category(char)[0] in "NS" or char in _SPOKEN_PUNCTUATION
