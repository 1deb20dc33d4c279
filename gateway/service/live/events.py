"""Events of a live session, in the order in which clients receive them.

Text positions are characters (Unicode code points) since the start of the session.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """Encoded audio; empty if the encoder has produced no output yet.

    :param samples: samples of speech that were encoded, at the engine's rate.
    """

    data: bytes
    samples: int = 0


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """The audio that follows speaks this span of the text.

    :param at_s: start in the audio since the session's start or the last interruption.
    :param text: the span without surrounding white space.
    """

    index: int
    start: int
    end: int
    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class SegmentDone:
    """All audio of a segment has been emitted."""

    index: int
    start: int
    end: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class SegmentRefused:
    """The engine cannot speak a segment's text; the session continues with the next segment."""

    index: int
    start: int
    end: int
    error: InvalidRequest


@dataclass(frozen=True, slots=True)
class Flushed:
    """All text before this position has been spoken."""

    position: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Speech has been interrupted.

    :param position: end of the spoken text.
    :param text: the text spoken since the session's start or the previous interruption.
    :param next: position of the next text.
    """

    position: int
    text: str
    next: int


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """All text has been spoken.

    :param position: length of the text.
    :param segments: number of segments started.
    :param duration_s: duration of all audio emitted.
    :param drained: whether the gateway ended the text during shutdown; an incomplete segment is then not spoken.
    """

    position: int
    segments: int
    duration_s: float
    drained: bool


LiveEvent = EncodedAudio | SegmentStarted | SegmentDone | SegmentRefused | Flushed | Interrupted | SessionFinished
