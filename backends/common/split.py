"""Splitting of text into chunks of bounded length, at pauses where possible.

Lengths are in UTF-8 bytes without white space at either end; a run of white space counts once. The time is linear in
the text, apart from the patterns.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Span = tuple[int, int]


def split_text(
    text: str,
    max_bytes: int,
    first_max_bytes: int | None = None,
    *,
    pauses: Sequence[re.Pattern[str]],
    seams: Sequence[re.Pattern[str]] = (),
    whole: re.Pattern[str] | None = None,
    first_min_bytes: int = 0,
) -> list[Span]:
    """Split a text into consecutive spans that cover it; none for blank text.

    A chunk ends at the last pause within the limit, of the most preferred kind that occurs there. Without a pause it
    ends at the last seam in the second half of the limit, else between two characters.

    :param max_bytes: limit of a chunk; only text that matches ``whole`` may exceed it.
    :param first_max_bytes: a smaller limit for the first chunk, for low latency. It still ends at a pause: the next one
        after the limit if none precedes it.
    :param pauses: patterns whose matches end where a chunk may end; preferred ones first.
    :param seams: patterns for text without a pause.
    :param whole: text that is never split.
    :param first_min_bytes: a shortened first chunk is longer than this.
    """
    lengths = _ByteLengths(text)
    atoms = [match.span() for match in whole.finditer(text)] if whole else []
    pause_cuts = [_cuts(pattern, text, atoms) for pattern in pauses]
    seam_cuts = [_cuts(pattern, text, atoms) for pattern in seams]
    spans: list[Span] = []
    start = 0
    while lengths.size(start, len(text)):
        end = 0
        rest_bytes = lengths.size(start, len(text))
        if first_max_bytes is not None and first_max_bytes < rest_bytes and not spans:
            end = _early_end(lengths, pause_cuts, first_min_bytes, min(first_max_bytes, max_bytes), max_bytes)
        if not end and rest_bytes <= max_bytes:
            end = len(text)
        end = end or next((cut for cuts in pause_cuts if (cut := lengths.last(cuts, start, max_bytes))), 0)
        end = end or _forced_end(lengths, seam_cuts, atoms, start, max_bytes)
        spans.append((start, end))
        start = end
    if spans:
        spans[-1] = (spans[-1][0], len(text))
    return spans


class _ByteLengths:
    """Byte lengths of spans of a text."""

    def __init__(self, text: str):
        self.text = text
        self._bytes = [0]  # before each character; a space after a space counts 0
        self._word_ends = [0]  # for each position: end of the last non-space character before it
        after_space = False
        for position, char in enumerate(text):
            space = char.isspace()
            self._bytes.append(self._bytes[-1] + (0 if space and after_space else len(char.encode("utf-8", "replace"))))
            self._word_ends.append(self._word_ends[-1] if space else position + 1)
            after_space = space
        self._word_starts = [len(text)] * (len(text) + 1)  # for each position: the next non-space character
        for position in range(len(text) - 1, -1, -1):
            self._word_starts[position] = self._word_starts[position + 1] if text[position].isspace() else position

    def size(self, start: int, end: int) -> int:
        """Byte length of a span."""
        first, last = self._word_starts[start], self._word_ends[end]
        return self._bytes[last] - self._bytes[first] if last > first else 0

    def last(self, cuts: Sequence[int], start: int, max_bytes: int, min_bytes: int = 0) -> int:
        """The last cut more than ``min_bytes`` and at most ``max_bytes`` after the start; 0 if no cut qualifies."""
        found = bisect_right(cuts, max_bytes, lo=bisect_right(cuts, start), key=lambda cut: self.size(start, cut))
        cut = cuts[found - 1] if found else 0
        return cut if cut > start and self.size(start, cut) > min_bytes else 0


def _cuts(pattern: re.Pattern[str], text: str, atoms: Sequence[Span]) -> list[int]:
    """Ends of a pattern's matches, inside the text and not inside atoms."""
    ends = (match.end() for match in pattern.finditer(text))
    return [end for end in ends if 0 < end < len(text) and _atom_around(atoms, end) is None]


def _atom_around(atoms: Sequence[Span], position: int) -> Span | None:
    """The atom that contains a position strictly inside."""
    index = bisect_left(atoms, (position, 0)) - 1
    return atoms[index] if index >= 0 and position < atoms[index][1] else None


def _early_end(
    lengths: _ByteLengths, pause_cuts: Sequence[Sequence[int]], min_bytes: int, early_bytes: int, max_bytes: int
) -> int:
    """End of a shortened first chunk; 0 if the text has no suitable pause."""
    for cuts in pause_cuts:
        if end := lengths.last(cuts, 0, early_bytes, min_bytes):
            return end
    sized = ((cut, lengths.size(0, cut)) for cuts in pause_cuts for cut in cuts)
    return min((cut for cut, size in sized if min_bytes < size <= max_bytes), default=0)


def _forced_end(
    lengths: _ByteLengths, seam_cuts: Sequence[Sequence[int]], atoms: Sequence[Span], start: int, max_bytes: int
) -> int:
    """End of a chunk without a pause; always after its start."""
    text = lengths.text
    for cuts in seam_cuts:
        if end := lengths.last(cuts, start, max_bytes, (max_bytes - 1) // 2):
            return end
    positions = range(start + 1, len(text) + 1)
    end = start + max(1, bisect_right(positions, max_bytes, key=lambda position: lengths.size(start, position)))
    while end > start + 1 and end < len(text) and unicodedata.combining(text[end]):
        end -= 1  # combining marks stay with their letter
    if (atom := _atom_around(atoms, end)) is not None:
        return atom[0] if atom[0] > start else atom[1]
    return end
