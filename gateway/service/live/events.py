"""What comes of a live session, in the order in which it is told.

Places in text are characters (Unicode code points) counted from the beginning of the session.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Piece:
    """Encoded audio; empty where an encoder has nothing to give yet.

    :param length: how much speech went into it, in samples at the engine's rate.
    """

    data: bytes
    length: int = 0


@dataclass(frozen=True, slots=True)
class SegmentBegan:
    """The audio that follows speaks this span of the text.

    :param at_s: where in the audio since the beginning, or the last interruption, it begins.
    """

    index: int
    start: int
    end: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SegmentDone:
    """A segment's audio is complete."""

    index: int
    start: int
    end: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class SegmentRefused:
    """The engine cannot speak the text of a segment; the session goes on behind it."""

    index: int
    start: int
    end: int
    error: InvalidRequest


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything before this place in the text was spoken."""

    position: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What was under way has ended.

    :param position: the place up to which the text was spoken.
    :param text: the text since the beginning, or the interruption before, up to there.
    :param next: the place of the text that comes from now on.
    """

    position: int
    text: str
    next: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything was spoken.

    :param position: how many characters the text had.
    :param segments: how many were begun.
    :param duration_s: of all audio that was handed out.
    :param wound_up: whether it was the gateway that ended the text; what was no segment yet is not spoken then.
    """

    position: int
    segments: int
    duration_s: float
    wound_up: bool


Event = Piece | SegmentBegan | SegmentDone | SegmentRefused | Flushed | Interrupted | Finished
