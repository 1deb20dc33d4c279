"""Packed batches: every token has one position, and runs group equal samples."""

from __future__ import annotations

import pytest
import torch

from backends.f5.packing import PackedBatch, SampleShape


@pytest.mark.parametrize("prefix", [0, 1])
def test_packed_batch_indexes_every_token_once(prefix: int) -> None:
    shapes = [SampleShape(3, 2, "x"), SampleShape(3, 1, "x"), SampleShape(5, 2, "x"), SampleShape(5, 1, "y")]
    packing = PackedBatch(shapes, prefix, torch.device("cpu"))
    tokens = sum(shape.rows * (shape.frames + prefix) for shape in shapes)
    assert len(packing.positions) == tokens
    assert sorted([*packing.frame_tokens.tolist(), *packing.prefix_tokens.tolist()]) == list(range(tokens))
    assert [run.rows for run in packing.row_runs] == [3, 3]
    assert [run.tokens.stop for run in packing.row_runs] == [3 * (3 + prefix), tokens]
    assert [(run.first, run.frame_tokens.stop) for run in packing.time_runs] == [(0, 19), (3, 24)]
    frames = [*[0, 1, 2] * 2, 3, 4, 5, *[6, 7, 8, 9, 10] * 2, 11, 12, 13, 14, 15]
    assert packing.frame_of_token.tolist() == frames
