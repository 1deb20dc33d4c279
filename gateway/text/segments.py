"""Segmentation of incremental text: segments can be spoken before the following text is known.

Segments depend on the text alone, not on how it is divided into :meth:`Segmenter.feed` calls.

Lengths are in UTF-8 bytes, so that a Chinese character counts as three Latin letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from backends.text import (
    CLAUSE_MARKS,
    CLOSING_MARKS,
    SENTENCE_MARKS,
    STRONG_CLAUSE_MARKS,
    STRONG_SENTENCE_MARKS,
)
from gateway.text.sentences import is_cjk

FIRST_CLAUSE_MIN_BYTES = 24
"""Shortest first segment that may end at a clause: about two seconds of speech."""

SENTENCE_MIN_BYTES = 60
"""Shortest later segment: shorter sentences are joined, because they sound better together."""

_CLOSERS = CLOSING_MARKS + "*_~"

# Abbreviations that occur in the middle of a sentence.
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
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # "J", "e.g", "U.S.A" without the last full stop
_WORD_BEFORE = re.compile(r"[\w.]+\Z")
_MAX_COMBINING = 32  # combining characters that are kept with their letter
_SHORT_NUMBER = re.compile(r"\d{1,2}")  # a list item's number or an ordinal


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of the text, including surrounding white space.

    :param start: position of its first character in the whole text.
    """

    start: int
    text: str

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.start + len(self.text)


@dataclass(slots=True)
class _Mark:
    """A punctuation mark that may end a segment, depending on the following characters.

    :ivar spaced: whether white space follows it.
    """

    kind: Literal["sentence", "clause"]
    strong: bool
    abbreviated: bool = False
    spaced: bool = False


class Segmenter:
    """Cut incremental text into segments.

    A segment ends after a sentence; the first one after a start, a flush or a reset may end after a clause. A segment
    that would be too long ends after its last clause, otherwise between words, otherwise anywhere. Text without letters
    and digits does not form a segment.

    A sentence with a letter that cannot be spoken is a segment of its own: no other sentence is refused with it.

    :param max_bytes: length limit of a segment.
    :param can_speak: whether the engine can speak a character; default: all.
    """

    def __init__(self, max_bytes: int, can_speak: Callable[[str], bool] = lambda char: True):
        self._max_bytes = max_bytes
        self._can_speak = can_speak
        self._text = ""  # from the start of the current segment
        self._start = 0
        self._reset_segment(first=True)

    @property
    def position(self) -> int:
        """Number of characters received."""
        return self._start + len(self._text)

    def feed(self, text: str) -> list[Segment]:
        """Append text; return the segments that it completes."""
        self._text += text
        segments = []
        while self._at < len(self._text):
            if end := self._step():
                segment = self._cut(end, first=self._first and not self._has_speech)
                if has_speech(segment.text):
                    segments.append(segment)
        return segments

    def flush(self) -> list[Segment]:
        """End the current segment; return it if it has speech. The next segment counts as a first one."""
        rest = self._cut(len(self._text), first=True)
        return [rest] if has_speech(rest.text) else []

    def reset(self) -> None:
        """Drop the current segment. The next segment counts as a first one."""
        self._cut(len(self._text), first=True)

    def _reset_segment(self, first: bool) -> None:
        self._first = first
        self._at = 0  # characters scanned
        self._bytes = 0  # size of the scanned characters
        self._has_speech = False  # whether they include a letter or a digit
        self._has_foreign = False  # whether they include a letter that cannot be spoken
        self._mark: _Mark | None = None
        self._sentence_end = 0  # after the last sentence; 0 without one
        self._clause_end = 0  # after the last clause; 0 without one
        self._word_end = 0  # after the last white space

    def _cut(self, end: int, first: bool) -> Segment:
        segment = Segment(self._start, self._text[:end])
        self._start += end
        self._text = self._text[end:]
        self._reset_segment(first)
        return segment

    def _step(self) -> int:
        """Scan one character; return the segment's end, or 0 if it continues."""
        at, char = self._at, self._text[self._at]
        if (end := self._resolve_mark(at, char)) or (end := self._forced_end(at, char)):
            return end
        if char.isalpha() and not self._can_speak(char):
            if self._sentence_end:
                return self._sentence_end
            self._has_foreign = True
        self._at += 1
        self._bytes += _size(char)
        self._has_speech = self._has_speech or char.isalnum()
        if char.isspace():
            self._word_end = at + 1
        self._note_mark(at, char)
        return 0

    def _resolve_mark(self, at: int, char: str) -> int:
        """Interpret a pending mark by the character after it; return the segment's end or 0."""
        mark = self._mark
        if mark is None or (not mark.spaced and char in _CLOSERS) or char == "\n":
            return 0
        if char.isspace():
            mark.spaced = True
            return 0
        if not mark.spaced and char in SENTENCE_MARKS + STRONG_SENTENCE_MARKS:
            return 0  # "?!", "..."
        self._mark = None
        if not mark.strong and (mark.abbreviated or not (mark.spaced or is_cjk(char))):
            return 0  # 3.14, example.com, Dr. Who
        if mark.kind == "clause" or (not mark.strong and char.islower()):
            self._clause_end = at  # "Stop!" he said
        min_bytes = FIRST_CLAUSE_MIN_BYTES if self._first else self._max_bytes
        if mark.kind == "sentence" and (mark.strong or not char.islower()):
            min_bytes = 0 if self._first or self._has_foreign else SENTENCE_MIN_BYTES
            self._clause_end = self._sentence_end = at
        return at if self._has_speech and self._bytes >= min_bytes else 0

    def _note_mark(self, at: int, char: str) -> None:
        """Record a mark until the following characters determine its meaning."""
        if char == "\n":
            self._mark = _Mark("sentence", strong=True, spaced=True)
        elif char in STRONG_SENTENCE_MARKS:
            self._mark = _Mark("sentence", strong=True)
        elif char in SENTENCE_MARKS and not (self._mark and self._mark.strong):
            self._mark = _Mark("sentence", strong=False, abbreviated=char == "." and self._is_abbreviation(at))
        elif char in STRONG_CLAUSE_MARKS:
            self._mark = _Mark("clause", strong=True)
        elif char in CLAUSE_MARKS:
            self._mark = _Mark("clause", strong=False)

    def _is_abbreviation(self, at: int) -> bool:
        match = _WORD_BEFORE.search(self._text[max(0, at - 16) : at])
        word = match[0] if match else ""
        return bool(word.casefold() in _ABBREVIATIONS or _INITIALS.fullmatch(word) or _SHORT_NUMBER.fullmatch(word))

    def _forced_end(self, at: int, char: str) -> int:
        """The segment's end if another character would make it too long, otherwise 0."""
        max_bytes = 2 * self._max_bytes if char.isspace() else self._max_bytes
        if not at or self._bytes + _size(char) <= max_bytes:
            return 0
        cuts = (self._clause_end, self._word_end)
        half = at // 2
        end = next((cut for cut in cuts if cut > half), 0) or max(cuts)
        if end and has_speech(self._text[:end]):
            return end
        for end in range(at, max(0, at - _MAX_COMBINING), -1):
            if not unicodedata.combining(self._text[end]):
                return end  # combining characters stay with their letter
        return at


def has_speech(text: str) -> bool:
    """Whether a text has a letter, digit or ideograph."""
    return any(map(str.isalnum, text))


def _size(char: str) -> int:
    return len(char.encode("utf-8", "replace"))
