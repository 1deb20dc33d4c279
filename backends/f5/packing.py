"""Packed batches: samples of unequal length end to end, without padding (varlen packing, cu_seqlens style).

A sample has one row of tokens, or two with classifier-free guidance: the conditional one, then the unconditional one.
A row has one token per frame, after the model's prefix tokens (UNetT: one, for the timestep).

Without padding no mask is needed, and no other sample can change a result. Token-wise layers run on all tokens at once;
layers that mix tokens of a row (attention, convolutions, norms over time) run once per run of rows of equal length.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Slot:
    """Position of one sample in the batch.

    :param frames: its frames among the frames of all samples.
    :param tokens: the tokens of all its rows among all tokens, prefix tokens not counted.
    """

    rows: int
    frames: slice
    tokens: slice


@dataclass(frozen=True, slots=True)
class TokenRun:
    """Consecutive samples that share a property, as a range of tokens.

    :param tokens: with prefix tokens.
    :param frame_tokens: the same range with prefix tokens not counted.
    :param first: index of its first sample.
    """

    rows: int
    tokens: slice
    frame_tokens: slice
    first: int


@dataclass(frozen=True, slots=True)
class SampleShape:
    """Size of one sample. Samples with equal ``timestep`` keys share their timestep conditioning."""

    frames: int
    rows: int
    timestep: Hashable


class PackedBatch:
    """Slots, runs and index tensors for samples in the given order.

    :ivar row_runs: runs of rows of equal length.
    :ivar time_runs: runs of samples at the same timestep.
    :ivar positions: position of each token in its row, shape (T,).
    :ivar frame_of_token: frame index of each token, shape (T,) without prefix tokens.
    :ivar frame_tokens: indices of the tokens that are frames.
    :ivar prefix_tokens: indices of the prefix tokens.
    :ivar has_single_rows: whether every sample has one row, so that ``frame_of_token`` changes nothing.
    """

    def __init__(self, shapes: Sequence[SampleShape], prefix: int, device: torch.device):
        self.prefix = prefix
        self.slots: list[Slot] = []
        frames = tokens = 0
        for shape in shapes:
            size = shape.rows * shape.frames
            self.slots.append(Slot(shape.rows, slice(frames, frames + shape.frames), slice(tokens, tokens + size)))
            frames, tokens = frames + shape.frames, tokens + size
        self.row_runs = self._runs(shapes, [shape.frames for shape in shapes])
        self.time_runs = self._runs(shapes, [shape.timestep for shape in shapes])
        lengths = [shape.frames for shape in shapes for _ in range(shape.rows)]
        self.positions = torch.cat([torch.arange(length + prefix) for length in lengths]).to(device)
        self.frame_of_token = torch.cat(
            [torch.arange(slot.frames.start, slot.frames.stop).repeat(slot.rows) for slot in self.slots]
        ).to(device)
        self.frame_tokens = torch.nonzero(self.positions >= prefix).flatten()
        self.prefix_tokens = torch.nonzero(self.positions < prefix).flatten()
        self.has_single_rows = all(shape.rows == 1 for shape in shapes)

    def _runs(self, shapes: Sequence[SampleShape], keys: Sequence[Hashable]) -> list[TokenRun]:
        """Group consecutive samples with equal keys."""
        runs: list[TokenRun] = []
        tokens = frame_tokens = start = 0
        while start < len(shapes):
            end = start
            while end < len(shapes) and keys[end] == keys[start]:
                end += 1
            rows = sum(shape.rows for shape in shapes[start:end])
            size = sum(shape.rows * shape.frames for shape in shapes[start:end])
            total = size + rows * self.prefix
            runs.append(TokenRun(rows, slice(tokens, tokens + total), slice(frame_tokens, frame_tokens + size), start))
            tokens, frame_tokens, start = tokens + total, frame_tokens + size, end
        return runs
