"""A text as pieces of bounded length, cut where a speaker would pause.

Lengths are UTF-8 bytes of what is said: white space around a piece does not count, and a run of it counts once. Takes
time linear in the text, apart from the patterns it is given. Needs no torch.
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
    """Cut a text into spans that follow each other without gaps from 0 to its end; none for blank text.

    A piece ends at the last pause that fits into it, of the first kind that has one there. Without any it ends at the
    last seam in the second half of what would fit, else between two characters.

    :param max_bytes: of a piece; only a stretch that is kept whole may be longer.
    :param first_max_bytes: a smaller limit for the first piece, so that it can be heard early. It still ends at a
        pause, the next one behind if there is none within the limit.
    :param pauses: patterns that match up to where a piece may end, those preferred first.
    :param seams: the same, for stretches without a pause.
    :param whole: stretches that are never cut inside.
    :param first_min_bytes: a first piece that is cut short has more bytes than this.
    """
    ruler = _Ruler(text)
    stretches = [match.span() for match in whole.finditer(text)] if whole else []
    pause_cuts = [_cuts(pattern, text, stretches) for pattern in pauses]
    seam_cuts = [_cuts(pattern, text, stretches) for pattern in seams]
    spans: list[Span] = []
    start = 0
    while ruler.size(start, len(text)):
        end = 0
        rest_bytes = ruler.size(start, len(text))
        if first_max_bytes is not None and first_max_bytes < rest_bytes and not spans:
            end = _early_end(ruler, pause_cuts, first_min_bytes, min(first_max_bytes, max_bytes), max_bytes)
        if not end and rest_bytes <= max_bytes:
            end = len(text)
        end = end or next((cut for cuts in pause_cuts if (cut := ruler.last(cuts, start, max_bytes))), 0)
        end = end or _forced_end(ruler, seam_cuts, stretches, start, max_bytes)
        spans.append((start, end))
        start = end
    if spans:
        spans[-1] = (spans[-1][0], len(text))
    return spans


class _Ruler:
    """Lengths of spans of a text."""

    def __init__(self, text: str):
        self.text = text
        self._bytes = [0]  # before each character, a space after a space counting nothing
        self._word_ends = [0]  # for each position: behind the last character before it that is no space
        spaced = False
        for place, char in enumerate(text):
            space = char.isspace()
            self._bytes.append(self._bytes[-1] + (0 if space and spaced else len(char.encode("utf-8", "replace"))))
            self._word_ends.append(self._word_ends[-1] if space else place + 1)
            spaced = space
        self._word_starts = [len(text)] * (len(text) + 1)  # for each position: the next character that is no space
        for place in range(len(text) - 1, -1, -1):
            self._word_starts[place] = self._word_starts[place + 1] if text[place].isspace() else place

    def size(self, start: int, end: int) -> int:
        """Bytes said of a span."""
        first, last = self._word_starts[start], self._word_ends[end]
        return self._bytes[last] - self._bytes[first] if last > first else 0

    def last(self, cuts: Sequence[int], start: int, max_bytes: int, min_bytes: int = 0) -> int:
        """The last cut with more than ``min_bytes`` and at most ``max_bytes`` between it and the start, or 0."""
        found = bisect_right(cuts, max_bytes, lo=bisect_right(cuts, start), key=lambda cut: self.size(start, cut))
        cut = cuts[found - 1] if found else 0
        return cut if cut > start and self.size(start, cut) > min_bytes else 0


def _cuts(pattern: re.Pattern[str], text: str, stretches: Sequence[Span]) -> list[int]:
    """Where a pattern ends, inside the text and outside the stretches."""
    ends = (match.end() for match in pattern.finditer(text))
    return [end for end in ends if 0 < end < len(text) and _around(stretches, end) is None]


def _around(stretches: Sequence[Span], place: int) -> Span | None:
    """The stretch that a place is inside of."""
    index = bisect_left(stretches, (place, 0)) - 1
    return stretches[index] if index >= 0 and place < stretches[index][1] else None


def _early_end(
    ruler: _Ruler, pause_cuts: Sequence[Sequence[int]], min_bytes: int, early_bytes: int, max_bytes: int
) -> int:
    """Where a first piece ends that is wanted short, or 0."""
    for cuts in pause_cuts:
        if end := ruler.last(cuts, 0, early_bytes, min_bytes):
            return end
    sized = ((cut, ruler.size(0, cut)) for cuts in pause_cuts for cut in cuts)
    return min((cut for cut, size in sized if min_bytes < size <= max_bytes), default=0)


def _forced_end(
    ruler: _Ruler, seam_cuts: Sequence[Sequence[int]], stretches: Sequence[Span], start: int, max_bytes: int
) -> int:
    """Where a piece ends that has no pause; always behind its start."""
    text = ruler.text
    for cuts in seam_cuts:
        if end := ruler.last(cuts, start, max_bytes, (max_bytes - 1) // 2):
            return end
    places = range(start + 1, len(text) + 1)
    end = start + max(1, bisect_right(places, max_bytes, key=lambda place: ruler.size(start, place)))
    while end > start + 1 and end < len(text) and unicodedata.combining(text[end]):
        end -= 1  # an accent stays with its letter
    if (stretch := _around(stretches, end)) is not None:
        return stretch[0] if stretch[0] > start else stretch[1]
    return end
