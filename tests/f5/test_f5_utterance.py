"""Utterances: chunk audio is joined in text order, whatever order it arrives in."""

from __future__ import annotations

import numpy as np
import torch

from backends.base import Finished
from backends.f5.options import F5Options
from backends.f5.references import EncodedReference
from backends.f5.utterance import TextChunk, Utterance


def test_chunks_that_finish_out_of_order_are_delivered_in_text_order() -> None:
    chunks = [TextChunk((index, index + 1), "x", 10, index) for index in range(3)]
    reference = EncodedReference(torch.zeros(5, 100), 4, 0.05, "x. ", gain=0.5)
    utterance = Utterance("job", chunks, reference, F5Options(cross_fade_s=0.0))
    samples = utterance.next_samples(lambda prompt: [1])
    assert [sample.id for sample in samples] == [("job", 0), ("job", 1), ("job", 2)]
    assert utterance.sample_ids == {sample.id for sample in samples}
    wave = np.ones(10, np.float32)
    assert utterance.deliver(2, 3 * wave) == []
    assert utterance.deliver(1, 2 * wave) == []
    *audio, finished = utterance.deliver(0, wave)
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in audio]), np.repeat([0.5, 1.0, 1.5], 10))
    assert [chunk.text_span for chunk in audio] == [(0, 1), (1, 2), (2, 3)]
    assert isinstance(finished, Finished)
