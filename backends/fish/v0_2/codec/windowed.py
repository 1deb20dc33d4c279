"""Running a chain of convolutional networks window by window, with the result of running it once over everything.

Every segment of the chain looks only so far to each side. For a window of the result the chain is walked backwards to
see which stretch of each segment's output is needed, and forwards to compute what of it is new: a segment recomputes no
more than its own reach, and keeps no more of its input than later windows need. At the true start and end a window ends
where the whole would, so that a segment's own zero padding acts there and nowhere else.

Letters: B rows, C and D channels, n positions in time. A frame is a position at the chain's entrance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """A network that makes ``ratio`` outputs of each input.

    :param run: (B, C, n) to (B, D, n * ratio), padding with zeros what it lacks at either end.
    :param reach: how many outputs away from its own outputs an input still matters.
    """

    run: Callable[[Tensor], Tensor]
    ratio: int
    reach: int


class Cut(NamedTuple):
    """What one segment does in one window, counted from the first input position it holds."""

    inputs: int  # positions it runs on
    skip: int  # outputs handed on before
    new: int  # outputs to hand on; 0: it need not run
    forget: int  # inputs no later window needs


class Window(NamedTuple):
    """A window's work; rows whose windows are equal can share a batch."""

    frames: int  # new frames to feed
    cuts: tuple[Cut, ...]


Memory = list[Tensor]
"""Of one row: the inputs that each segment still needs, each (C, n); empty before the first window."""


class Chain:
    """Segments in order."""

    def __init__(self, segments: Sequence[Segment]):
        self.segments = tuple(segments)
        self._rates = [1]  # positions for each frame: at the entrance, then after each segment
        for segment in self.segments:
            self._rates.append(self._rates[-1] * segment.ratio)

    def needed(self, end: int, total: int | None = None) -> int:
        """How many frames have to be there for a window that ends with frame ``end``.

        :param total: frames in all, where that is known.
        """
        return self._ends(end, total)[0]

    def window(self, start: int, end: int, total: int | None = None) -> Window:
        """The work for the results of frames ``start`` to ``end``, all before having been done in such windows.

        :param total: frames in all; may be None as long as ``needed(end)`` are there.
        """
        before, after = self._ends(start, total), self._ends(end, total)
        cuts = []
        for index, segment in enumerate(self.segments):
            first = _first_input(segment, before[index + 1])
            cuts.append(
                Cut(
                    inputs=after[index] - first,
                    skip=before[index + 1] - first * segment.ratio,
                    new=after[index + 1] - before[index + 1],
                    forget=_first_input(segment, after[index + 1]) - first,
                )
            )
        return Window(after[0] - before[0], tuple(cuts))

    def advance(self, memories: Sequence[Memory], fed: Tensor, window: Window) -> tuple[Tensor, list[Memory]]:
        """Do a window for B rows: its results, (B, D, n), and the rows' memories after it.

        :param memories: left as they are.
        :param fed: the new frames, (B, C, ``window.frames``).
        """
        after: list[Memory] = [[] for _ in memories]
        x: Tensor | None = fed if window.frames else None
        for index, (segment, cut) in enumerate(zip(self.segments, window.cuts, strict=True)):
            parts = [torch.stack([memory[index] for memory in memories])] if memories[0] else []
            inputs = torch.cat(parts if x is None else [*parts, x], dim=-1)
            # copied, because a view would keep the whole window
            for memory, kept in zip(after, inputs[..., cut.forget :].clone(), strict=True):
                memory.append(kept)
            x = segment.run(inputs)[..., cut.skip : cut.skip + cut.new] if cut.new else None
        if x is None:
            raise ValueError("the window has no results")
        return x, after

    def _ends(self, end: int, total: int | None) -> list[int]:
        """Where the positions computed end, at the entrance and after each segment, once frame ``end`` is done."""
        if end == 0:
            return [0] * len(self._rates)
        ends = [end * self._rates[-1]]
        for segment, rate in zip(reversed(self.segments), reversed(self._rates[:-1]), strict=True):
            needed = -(-(ends[0] + segment.reach) // segment.ratio)
            ends.insert(0, needed if total is None else min(needed, total * rate))
        return ends


def _first_input(segment: Segment, output: int) -> int:
    """The first input that outputs from ``output`` on depend on."""
    return max(0, (output - segment.reach) // segment.ratio)
