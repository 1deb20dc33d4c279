"""Mapping from audio samples to text positions.

Audio is counted in samples at the engine's rate, text in characters (Unicode code points) since the start of the
session.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.text.segments import Segment
from gateway.text.sentences import is_chinese_or_japanese, is_cjk

_CHARS_PER_S = 15.0  # assumed until the first span is complete
_CJK_CHARS_PER_S = 5.0


@dataclass(slots=True)
class _Span:
    """Characters of the text with the audio that speaks them; ``complete`` once all of that audio was added."""

    segment: Segment
    start: int
    end: int
    first_sample: int
    samples: int = 0
    complete: bool = False


class PlaybackPosition:
    """The text position of every audio sample since the session's start or the last interruption.

    Within a span, text and audio are assumed to be proportional.

    :param start: text position of the first sample.
    :ivar samples: number of samples added.
    """

    def __init__(self, rate_hz: int, start: int = 0):
        self._rate_hz = rate_hz
        self._start = start
        self._spans: list[_Span] = []
        self._complete_chars = 0
        self._complete_samples = 0
        self.samples = 0

    def add(self, segment: Segment, samples: int, span: tuple[int, int] | None = None) -> None:
        """Add further audio of a segment.

        :param span: the characters of the segment's stripped text that it speaks, if the engine reports them.
        """
        indent = len(segment.text) - len(segment.text.lstrip())
        if span is None:
            start, end = segment.start, segment.end
        else:
            start = min(segment.start + indent + span[0], segment.end)
            end = min(max(start, segment.start + indent + span[1]), segment.end)
        last = self._spans[-1] if self._spans else None
        if last is None or last.complete or (last.start, last.end) != (start, end):
            self.complete()
            last = _Span(segment, start, end, first_sample=self.samples)
            self._spans.append(last)
        last.samples += samples
        self.samples += samples

    def complete(self) -> None:
        """Mark the current span as complete: it gets no further audio."""
        if self._spans and not (last := self._spans[-1]).complete:
            last.complete = True
            self._complete_chars += last.end - last.start
            self._complete_samples += last.samples

    def add_silence(self, samples: int) -> None:
        """Add audio that speaks no text."""
        self.complete()
        self.samples += samples

    def text_position(self, samples: int) -> int:
        """The text position that the first ``samples`` samples reach, never inside a word."""
        position = self._start
        for span in self._spans:
            played = samples - span.first_sample
            if played <= 0:
                break
            chars = span.end - span.start
            if span.complete:
                share = min(1.0, played / span.samples) if span.samples else 1.0
                position = span.start + int(share * chars)
            else:
                estimated = int(min(played, span.samples) * self._chars_per_sample(span))
                position = span.start + min(chars, estimated)
            position = _word_start(span.segment, position)
        return position

    def _chars_per_sample(self, span: _Span) -> float:
        if self._complete_samples and self._complete_chars:
            return self._complete_chars / self._complete_samples
        cjk = is_chinese_or_japanese(span.segment.text)
        return (_CJK_CHARS_PER_S if cjk else _CHARS_PER_S) / self._rate_hz


def _word_start(segment: Segment, position: int) -> int:
    """Move a position that is inside a word to the start of the word."""
    text, at = segment.text, position - segment.start
    while 0 < at < len(text) and _joined(text, at):
        at -= 1
    return segment.start + at


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and after an index belong to one word."""
    before, after = text[at - 1 : at], text[at]
    return before.isalnum() and after.isalnum() and not (is_cjk(before) or is_cjk(after))
