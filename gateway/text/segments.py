"""Text that comes in pieces, cut into segments that can be spoken before the rest is known.

Where a segment ends depends on the text alone, and on nothing behind the character that settles it: however the text
is divided into pieces, the segments are the same.

Lengths are UTF-8 bytes, which weigh a Chinese character like three Latin letters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

EARLY_BYTES = 24
"""A first segment has at least so many when it ends at a clause: some two seconds of speech."""

ENOUGH_BYTES = 60
"""A later segment goes on over the end of a sentence until it has so many: short ones sound better together."""

_STRONG = frozenset("。！？｡।॥۔؟")  # ends of sentences that need no space behind them
_ENDS = frozenset(".!?…")
_CLAUSES = frozenset(",;:—–")
_STRONG_CLAUSES = frozenset("，；：、،؛")
_CLOSERS = frozenset("\"'”’»›)]}」』】）》〉*_~")

# Written with a full stop in the middle of a sentence.
_ABBREVIATIONS = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "gen", "capt", "lt", "sgt", "rev"),
        *("hon", "gov", "sen", "rep", "pres", "vs", "nos", "vol", "fig", "figs", "eq", "al", "ca"),
        *("cf", "ed", "eds", "pp", "jan", "feb", "apr", "aug", "sept", "oct", "nov", "dec", "ave"),
        *("blvd", "mt", "ft", "inc", "ltd", "co", "corp", "dept", "est", "approx", "hr", "fr", "nr"),
        *("bzw", "usw", "ggf", "inkl", "evtl", "str", "sog", "vgl", "mme", "mlle", "sra", "srta", "dña"),
        *("pág", "núm"),
    )
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # "J", "e.g", "U.S.A" before their last full stop
_WORD_BEFORE = re.compile(r"[\w.]+\Z")
_LONGEST_ACCENTED = 32  # characters of one letter with its accents; a longer row of accents has no letter
_SHORT_NUMBER = re.compile(r"\d{1,2}")  # of an item in a list, or an ordinal


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the whole text, white space around it included.

    :param start: the place of its first character, counted from the beginning of all text.
    """

    start: int
    text: str

    @property
    def end(self) -> int:
        """The place behind its last character."""
        return self.start + len(self.text)


@dataclass(slots=True)
class _Mark:
    """A mark that may end a segment, once what stands behind it is known.

    :ivar spaced: whether white space was seen behind it.
    """

    kind: Literal["sentence", "clause"]
    strong: bool
    abbreviated: bool = False
    spaced: bool = False


class Segmenter:
    """Cuts text into segments as it comes.

    A segment ends behind a sentence; the first one after a start, a flush or a reset already behind a clause. One
    that would be too long ends behind its last clause, else between words, else anywhere. What has nothing to say
    (no letter and no digit) is no segment of its own.

    :param max_bytes: of a segment.
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._text = ""  # from the start of the segment under way
        self._start = 0
        self._begin(first=True)

    @property
    def position(self) -> int:
        """How many characters there were in all."""
        return self._start + len(self._text)

    def feed(self, text: str) -> list[Segment]:
        """Take further text; the segments that are complete with it."""
        self._text += text
        segments = []
        while self._at < len(self._text):
            if end := self._step():
                segment = self._cut(end, first=self._first and not self._speaks)
                if has_speech(segment.text):
                    segments.append(segment)
        return segments

    def flush(self) -> list[Segment]:
        """The rest, if there is anything to say in it. The next segment is a first one again."""
        rest = self._cut(len(self._text), first=True)
        return [rest] if has_speech(rest.text) else []

    def reset(self) -> None:
        """Forget what is not in a segment yet. The next segment is a first one again."""
        self._cut(len(self._text), first=True)

    def _begin(self, first: bool) -> None:
        self._first = first
        self._at = 0  # characters looked at
        self._bytes = 0  # of them
        self._speaks = False  # whether there is a letter or a digit among them
        self._mark: _Mark | None = None
        self._clause = 0  # where the segment could end
        self._space = 0

    def _cut(self, end: int, first: bool) -> Segment:
        segment = Segment(self._start, self._text[:end])
        self._start += end
        self._text = self._text[end:]
        self._begin(first)
        return segment

    def _step(self) -> int:
        """Look at one more character: where the segment ends, or 0."""
        at, char = self._at, self._text[self._at]
        if (end := self._settle(at, char)) or (end := self._forced(at, char)):
            return end
        self._at += 1
        self._bytes += _size(char)
        self._speaks = self._speaks or char.isalnum()
        if char.isspace():
            self._space = at + 1
        self._note(at, char)
        return 0

    def _settle(self, at: int, char: str) -> int:
        """What a mark turns out to be, now that the character behind it is known."""
        mark = self._mark
        if mark is None or (not mark.spaced and char in _CLOSERS) or char == "\n":
            return 0
        if char.isspace():
            mark.spaced = True
            return 0
        if not mark.spaced and (char in _ENDS or char in _STRONG):
            return 0  # "?!", "..."
        self._mark = None
        if not mark.strong and (not mark.spaced or mark.abbreviated):
            return 0  # 3.14, example.com, Dr. Who
        if mark.kind == "clause" or (not mark.strong and char.islower()):
            self._clause = at  # "Stop!" he said
        wanted = EARLY_BYTES if self._first else self._max_bytes
        if mark.kind == "sentence" and (mark.strong or not char.islower()):
            wanted = 0 if self._first else ENOUGH_BYTES
            self._clause = at
        return at if self._speaks and self._bytes >= wanted else 0

    def _note(self, at: int, char: str) -> None:
        """Remember a mark until it is known what it means."""
        if char == "\n":
            self._mark = _Mark("sentence", strong=True, spaced=True)
        elif char in _STRONG:
            self._mark = _Mark("sentence", strong=True)
        elif char in _ENDS and not (self._mark and self._mark.strong):
            self._mark = _Mark("sentence", strong=False, abbreviated=char == "." and self._is_abbreviation(at))
        elif char in _STRONG_CLAUSES:
            self._mark = _Mark("clause", strong=True)
        elif char in _CLAUSES:
            self._mark = _Mark("clause", strong=False)

    def _is_abbreviation(self, at: int) -> bool:
        match = _WORD_BEFORE.search(self._text[max(0, at - 16) : at])
        word = match[0] if match else ""
        return bool(word.casefold() in _ABBREVIATIONS or _INITIALS.fullmatch(word) or _SHORT_NUMBER.fullmatch(word))

    def _forced(self, at: int, char: str) -> int:
        """Where a segment ends that another character would make too long; 0 while there is room."""
        max_bytes = 2 * self._max_bytes if char.isspace() else self._max_bytes
        if not at or self._bytes + _size(char) <= max_bytes:
            return 0
        cuts = (self._clause, self._space)
        half = at // 2
        end = next((cut for cut in cuts if cut > half), 0) or max(cuts)
        if end and has_speech(self._text[:end]):
            return end
        for end in range(at, max(0, at - _LONGEST_ACCENTED), -1):
            if not unicodedata.combining(self._text[end]):
                return end  # an accent stays with its letter
        return at


def has_speech(text: str) -> bool:
    """Whether there is anything to say in a text: a letter, a digit, an ideograph."""
    return any(map(str.isalnum, text))


def _size(char: str) -> int:
    return len(char.encode("utf-8", "replace"))
