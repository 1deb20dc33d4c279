"""Which text a stretch of audio has spoken.

Lengths of audio are samples at the engine's rate, places in text are characters (Unicode code points) counted from the
beginning of a session.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.text.segments import Segment
from gateway.text.sentences import is_chinese_or_japanese, is_cjk

_CHARS_PER_S = 15.0  # what is assumed until a stretch is complete
_CJK_CHARS_PER_S = 5.0


@dataclass(slots=True)
class _Stretch:
    """Audio that speaks a span of text, from its first sample on; ``complete`` once all of it was added."""

    segment: Segment
    start: int
    end: int
    began_at: int
    length: int = 0
    complete: bool = False


class Spoken:
    """Keeps the spans of text of a session's audio since it began or was last interrupted.

    Inside a span, text and audio are taken to be proportional.

    :param start: the place in the text where it begins.
    """

    def __init__(self, rate_hz: int, start: int = 0):
        self._rate_hz = rate_hz
        self._start = start
        self._stretches: list[_Stretch] = []
        self._complete_chars = 0
        self._complete_length = 0
        self.length = 0

    def add(self, segment: Segment, samples: int, span: tuple[int, int] | None = None) -> None:
        """Note further audio of a segment.

        :param span: the characters of the segment's text that it speaks, where the engine knows.
        """
        lead = len(segment.text) - len(segment.text.lstrip())
        if span is None:
            start, end = segment.start, segment.end
        else:
            start = min(segment.start + lead + span[0], segment.end)
            end = min(max(start, segment.start + lead + span[1]), segment.end)
        last = self._stretches[-1] if self._stretches else None
        if last is None or last.complete or (last.start, last.end) != (start, end):
            self.complete()
            last = _Stretch(segment, start, end, began_at=self.length)
            self._stretches.append(last)
        last.length += samples
        self.length += samples

    def complete(self) -> None:
        """The span under way has all its audio."""
        if self._stretches and not (last := self._stretches[-1]).complete:
            last.complete = True
            self._complete_chars += last.end - last.start
            self._complete_length += last.length

    def pause(self, samples: int) -> None:
        """Note audio that speaks nothing."""
        self.complete()
        self.length += samples

    def position(self, samples: int) -> int:
        """The place in the text that so much audio reaches; never inside a word."""
        reached = self._start
        for stretch in self._stretches:
            heard = samples - stretch.began_at
            if heard <= 0:
                break
            chars = stretch.end - stretch.start
            if stretch.complete:
                share = min(1.0, heard / stretch.length) if stretch.length else 1.0
                reached = stretch.start + int(share * chars)
            else:
                estimated = int(min(heard, stretch.length) * self._chars_per_sample(stretch))
                reached = stretch.start + min(chars, estimated)
            reached = _not_inside_a_word(stretch.segment, reached)
        return reached

    def _chars_per_sample(self, stretch: _Stretch) -> float:
        if self._complete_length and self._complete_chars:
            return self._complete_chars / self._complete_length
        cjk = is_chinese_or_japanese(stretch.segment.text)
        return (_CJK_CHARS_PER_S if cjk else _CHARS_PER_S) / self._rate_hz


def _not_inside_a_word(segment: Segment, place: int) -> int:
    text, at = segment.text, place - segment.start
    while 0 < at < len(text) and _joined(text, at):
        at -= 1
    return segment.start + at


def _joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place belong to one word."""
    before, after = text[at - 1 : at], text[at]
    return before.isalnum() and after.isalnum() and not (is_cjk(before) or is_cjk(after))
