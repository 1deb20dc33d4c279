"""Windowed execution of a chain of convolutional stages, exactly equal to running it over the whole input.

Each stage has a bounded reach. For a window of the result, the chain is walked backwards to find which part of every
stage's output is needed, and forwards to compute the new part: a stage recomputes no more than its own reach and keeps
no more of its input than later windows need. Zero padding acts at the true start and end only.

T counts positions at the rate of each stage; a frame is a position at the chain's input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """A network with ``ratio`` outputs per input.

    :param run: (B, Cin, T) -> (B, Cout, T * ratio), zero-padded at both ends.
    :param reach: number of outputs beyond its own that an input affects, on each side.
    """

    run: Callable[[Tensor], Tensor]
    ratio: int
    reach: int


class StageWindow(NamedTuple):
    """One stage's part of a window, in positions counted from the first input that the stage holds."""

    inputs: int  # to run on
    skip: int  # outputs of earlier windows
    new: int  # outputs to pass on; 0: the stage need not run
    drop: int  # inputs that no later window needs


class Window(NamedTuple):
    """The work of one window. Rows with equal windows can share a batch."""

    frames: int  # new input frames
    stages: tuple[StageWindow, ...]


ChainState = list[Tensor]
"""State of one row: the inputs that each stage still needs, each (Cin, T); empty before the first window."""


class Chain:
    """Stages in order."""

    def __init__(self, stages: Sequence[Stage]):
        self.stages = tuple(stages)
        self._rates = [1]  # positions per frame, at the input and after each stage
        for stage in self.stages:
            self._rates.append(self._rates[-1] * stage.ratio)

    def needed(self, end: int, total: int | None = None) -> int:
        """Return the number of input frames that a window ending at frame ``end`` needs.

        :param total: number of input frames, if known.
        """
        return self._ends(end, total)[0]

    def window(self, start: int, end: int, total: int | None = None) -> Window:
        """Plan the window from frame ``start``, where the previous window ended, to ``end``.

        :param total: number of input frames; may be None as long as ``needed(end)`` frames exist.
        """
        before, after = self._ends(start, total), self._ends(end, total)
        windows = []
        for index, stage in enumerate(self.stages):
            first = _first_input(stage, before[index + 1])
            windows.append(
                StageWindow(
                    inputs=after[index] - first,
                    skip=before[index + 1] - first * stage.ratio,
                    new=after[index + 1] - before[index + 1],
                    drop=_first_input(stage, after[index + 1]) - first,
                )
            )
        return Window(after[0] - before[0], tuple(windows))

    def advance(self, states: Sequence[ChainState], frames: Tensor, window: Window) -> tuple[Tensor, list[ChainState]]:
        """Compute a window for B rows; return its output, (B, Cout, T), and the rows' new states.

        :param states: not modified.
        :param frames: the new input frames, (B, Cin, ``window.frames``).
        """
        new_states: list[ChainState] = [[] for _ in states]
        x: Tensor | None = frames if window.frames else None
        for index, (stage, part) in enumerate(zip(self.stages, window.stages, strict=True)):
            parts = [torch.stack([state[index] for state in states])] if states[0] else []
            inputs = torch.cat(parts if x is None else [*parts, x], dim=-1)
            # a copy: a view would keep the whole window in memory
            for state, kept in zip(new_states, inputs[..., part.drop :].clone(), strict=True):
                state.append(kept)
            x = stage.run(inputs)[..., part.skip : part.skip + part.new] if part.new else None
        if x is None:
            raise ValueError("the window has no output")
        return x, new_states

    def _ends(self, end: int, total: int | None) -> list[int]:
        """Number of positions computed once frame ``end`` is done, at the input and after each stage."""
        if end == 0:
            return [0] * len(self._rates)
        ends = [end * self._rates[-1]]
        for stage, rate in zip(reversed(self.stages), reversed(self._rates[:-1]), strict=True):
            needed = -(-(ends[0] + stage.reach) // stage.ratio)
            ends.insert(0, needed if total is None else min(needed, total * rate))
        return ends


def _first_input(stage: Stage, output: int) -> int:
    """The first input that outputs from ``output`` on depend on."""
    return max(0, (output - stage.reach) // stage.ratio)
