"""How samples of unequal length lie in one batch: end to end, without padding.

Letters: F frames of all samples, T tokens of all rows, n frames of one sample, R rows of one sample. A sample has one
row, or two when it is guided: the second is the unconditional one. A row has a token for each frame, after as many
leading tokens as the network wants (UNetT: one, for the time).

Nothing is padded, so nothing has to be masked and no neighbour can change a result: what works token by token sees all
tokens at once, and what looks along a row (attention, convolutions, norms over time) is called once for each run of
rows of equal length.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Place:
    """One sample: its n frames in the order of samples, and its R · n frame tokens in the order of rows."""

    rows: int
    frames: slice
    tokens: slice


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring rows of equal length, or neighbouring samples at the same time: a stretch of tokens.

    :param tokens: with the leading ones.
    :param frame_tokens: the same stretch counted without leading tokens.
    :param first: index of the first sample in it.
    """

    rows: int
    tokens: slice
    frame_tokens: slice
    first: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What the layout needs to know of a sample; samples with equal ``moment`` are at the same time of the flow."""

    frames: int
    rows: int
    moment: Hashable


class Layout:
    """Places, runs and indices for samples in the given order."""

    def __init__(self, shapes: Sequence[Shape], lead: int, device: torch.device):
        self.lead = lead
        self.places: list[Place] = []
        frames = tokens = 0
        for shape in shapes:
            size = shape.rows * shape.frames
            self.places.append(Place(shape.rows, slice(frames, frames + shape.frames), slice(tokens, tokens + size)))
            frames, tokens = frames + shape.frames, tokens + size
        self.row_runs = self._runs(shapes, [shape.frames for shape in shapes])
        self.time_runs = self._runs(shapes, [shape.moment for shape in shapes])
        lengths = [shape.frames for shape in shapes for _ in range(shape.rows)]
        # positions: (T,), each token's place in its row. frame_of_token: (T without leads,), its frame among F.
        self.positions = torch.cat([torch.arange(length + lead) for length in lengths]).to(device)
        self.frame_of_token = torch.cat(
            [torch.arange(p.frames.start, p.frames.stop).repeat(p.rows) for p in self.places]
        ).to(device)
        # Indices into T of the tokens that are frames, and of those that lead a row.
        self.frame_tokens = torch.nonzero(self.positions >= lead).flatten()
        self.lead_tokens = torch.nonzero(self.positions < lead).flatten()
        self.is_single = len(shapes) == 1 and shapes[0].rows == 1

    def _runs(self, shapes: Sequence[Shape], keys: Sequence[Hashable]) -> list[Run]:
        runs: list[Run] = []
        tokens = frame_tokens = start = 0
        while start < len(shapes):
            end = start
            while end < len(shapes) and keys[end] == keys[start]:
                end += 1
            rows = sum(shape.rows for shape in shapes[start:end])
            size = sum(shape.rows * shape.frames for shape in shapes[start:end])
            whole = size + rows * self.lead
            runs.append(Run(rows, slice(tokens, tokens + whole), slice(frame_tokens, frame_tokens + size), start))
            tokens, frame_tokens, start = tokens + whole, frame_tokens + size, end
        return runs
