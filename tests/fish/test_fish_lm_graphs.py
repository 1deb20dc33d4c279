"""Batched decoding as on a GPU, all slots in one shape, run on a CPU; ``tests/gpu`` has what needs the device."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from support.fish.lm import build, golden
from support.fish.scripted_lm import drain
from torch import nn

from backends.fish.generation import ChunkKey, Sampling, Sequence, StepOutput
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm import kv_cache
from backends.fish.v0_2.lm.engine import LMEngine
from backends.fish.v0_2.lm.graphs import BatchedDecoder, reaches
from backends.fish.v0_2.lm.model import LanguageModel

EOS = 2
GREEDY = Sampling(temperature=1e-5, top_p=1.0, repetition_penalty=1.5)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    official = golden("lm_tiny")
    return build(official["config"], seed=official["seed"])


@pytest.fixture(autouse=True)
def _any_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow any attention kernel: the requested one exists on GPUs only."""
    monkeypatch.setattr(kv_cache, "sdpa_kernel", lambda backend: contextlib.nullcontext())


def batched_engine(model: LanguageModel, slots: int) -> LMEngine:
    """An engine that decodes as on a GPU without graphs."""
    lm = LMEngine(model, slots, 256, EOS)
    with torch.inference_mode():
        for layer in lm._cache.layers:
            layer.zero_()
        lm._decoder = BatchedDecoder(model, lm._cache, slots, graphs=False)
    return lm


def sequences() -> list[Sequence]:
    """Sequences one of which is prefilled in several parts while others decode."""
    prompt = golden("lm_tiny")["prompt"]
    long = np.concatenate((prompt, prompt, prompt), axis=1)
    return [
        Sequence(("job", i), long[:, :length], i, GREEDY, max_new_tokens=30 + i)
        for i, length in enumerate([32, 5, 90, 20, 12, 70])
    ]


def run(lm: LMEngine, *batch: Sequence) -> dict[ChunkKey, np.ndarray]:
    outputs: list[StepOutput] = []
    for sequence in batch:
        lm.add(sequence)
        outputs += lm.step()
    outputs += drain(lm)
    return {s.id: np.concatenate([output.codes for output in outputs if output.id == s.id], axis=1) for s in batch}


def test_greedy_frames_equal_the_official_ones(model: LanguageModel) -> None:
    official = golden("lm_tiny")
    frames = official["greedy"]
    sequence = Sequence(("a", 0), official["prompt"], 0, GREEDY, max_new_tokens=frames.shape[1])
    np.testing.assert_array_equal(run(batched_engine(model, 3), sequence)[sequence.id], frames[1:, :-1] - 2)


def test_batch_gives_the_codes_of_each_sequence_alone(model: LanguageModel) -> None:
    together = run(batched_engine(model, 3), *sequences())
    for sequence in sequences():
        alone = run(LMEngine(model, 1, 256, EOS), sequence)[sequence.id]
        np.testing.assert_array_equal(together[sequence.id], alone)


def test_nan_in_a_slot_does_not_reach_the_next_sequence(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither after a prompt with NaN logits, nor after a sequence that was removed during such a prefill."""
    poisoned = model.embeddings.weight.clone()
    poisoned[3] = torch.nan
    monkeypatch.setattr(model.embeddings, "weight", nn.Parameter(poisoned))
    bad = Sequence(("bad", 0), np.full((5, 100), 3, np.int32), 0, GREEDY)
    lm = batched_engine(model, 1)
    sequence = sequences()[0]
    expected = run(LMEngine(model, 1, 256, EOS), sequence)[sequence.id]
    lm.add(bad)
    assert "not a number" in str(drain(lm)[-1].failure)
    np.testing.assert_array_equal(run(lm, sequence)[sequence.id], expected)
    lm.add(bad)
    lm.step()
    lm.remove([bad.id])
    np.testing.assert_array_equal(run(lm, sequence)[sequence.id], expected)


def test_grouped_query_attention_gives_the_codes_of_per_slot_decoding() -> None:
    model = build(LMConfig(max_seq_len=256, vocab_size=300, n_layer=2, n_head=4, n_local_heads=2, dim=64))
    (sequence, *_) = sequences()
    expected = run(LMEngine(model, 1, 256, EOS), sequence)[sequence.id]
    np.testing.assert_array_equal(run(batched_engine(model, 2), sequence)[sequence.id], expected)


def test_reaches_are_powers_of_two_and_the_whole_cache() -> None:
    assert reaches(100) == [100]
    assert reaches(256) == [256]
    assert reaches(2048) == [256, 512, 1024, 2048]
    assert reaches(1088) == [256, 512, 1024, 1088]
