"""Pauses in a text, ``[pause:1.5s]``, and the limits of all pauses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.errors import InvalidRequest
from gateway.text.sections import Passage, Pause, Section
from gateway.text.segments import has_speech

DEFAULT_S = 0.5
MAX_S = 10.0
MAX_TOTAL_S = 60.0

# Also misspelled pauses, so that they are refused and not spoken: "[pause 2s]", "[pause:2s".
_PAUSE = re.compile(r"\[pause\s{0,8}(?:\]|[:=][^\]\n]{0,80}\]?|(?<=\s)\d[^\]\n]{0,80}\])", re.IGNORECASE)
_VALID_PAUSE = re.compile(r"\[pause\s*(?::\s*(?P<duration>[^\]]*?)\s*)?\]", re.IGNORECASE)
_DURATION = re.compile(r"\+?(\d+(?:\.\d*)?|\.\d+)\s?(ms|s)", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class PauseLimits:
    """The limits of a text's pauses.

    :ivar total_s: duration of the pauses so far.
    """

    total_s: float = 0.0

    def pause(self, duration_s: float, position: int, written: str) -> Pause:
        """Return a pause.

        :param written: the pause in the input, for errors.
        :raises InvalidRequest: if it, or all pauses together, are too long.
        """
        if duration_s > MAX_S:
            raise InvalidRequest(
                f"{written} at character {position + 1} is too long: the limit for one pause is {MAX_S:g} s",
                param="text",
            )
        self.total_s += duration_s
        if self.total_s > MAX_TOTAL_S:
            raise InvalidRequest(
                f"the pauses up to {written} at character {position + 1} last {self.total_s:g} s: "
                f"the limit for all pauses of a text is {MAX_TOTAL_S:g} s",
                param="text",
            )
        return Pause(duration_s, position)


def parse_duration(written: str) -> float | None:
    """Parse a duration such as ``1.5s`` or ``500ms``; return seconds, or None if it is not one."""
    match = _DURATION.fullmatch(written.strip())
    return float(match[1]) / (1000 if match[2].lower() == "ms" else 1) if match else None


def has_pause(text: str) -> bool:
    """Whether a text has pauses, valid or not."""
    return _PAUSE.search(text) is not None


def divide(passage: Passage, limits: PauseLimits) -> Iterator[Section]:
    """Divide a passage at its pauses; parts without letters and digits are dropped.

    :raises InvalidRequest: for a pause that is malformed or too long.
    """
    start = 0
    for match in _PAUSE.finditer(passage.text.text):
        yield from _spoken(passage, start, match.start())
        position, _ = passage.text.span(*match.span())
        yield limits.pause(_duration(match[0], position), position, match[0])
        start = match.end()
    yield from _spoken(passage, start, len(passage.text))


def _spoken(passage: Passage, start: int, end: int) -> Iterator[Passage]:
    text = passage.text.slice(start, end).strip()
    if has_speech(text.text):
        yield replace(passage, text=text)


def _duration(written: str, position: int) -> float:
    match = _VALID_PAUSE.fullmatch(written)
    if match and match["duration"] is None:
        return DEFAULT_S
    duration_s = parse_duration(match["duration"]) if match else None
    if duration_s is None:
        raise InvalidRequest(
            f"{written} at character {position + 1} is not a pause: write [pause:1.5s], [pause:500ms] or [pause]",
            param="text",
        )
    return duration_s
