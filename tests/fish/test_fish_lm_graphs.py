"""The decoding step of a GPU, all slots in one shape, run on a CPU; ``tests/gpu`` has what needs the device."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from fish.lm_scripted import drain
from fish.lm_synthetic import build, golden

from backends.fish.generation import Grown, Sampling, Sequence
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm import cache as module
from backends.fish.v0_2.lm.engine import Generator
from backends.fish.v0_2.lm.graphs import DeviceDecoder, reaches
from backends.fish.v0_2.lm.model import LanguageModel

EOS = 2
GREEDY = Sampling(temperature=1e-5, top_p=1.0, repetition_penalty=1.5)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    official = golden("lm_tiny")
    return build(official["config"], seed=official["seed"])


@pytest.fixture(autouse=True)
def _any_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is asked for exists on GPUs only."""
    monkeypatch.setattr(module, "sdpa_kernel", lambda backend: contextlib.nullcontext())


def on_device(model: LanguageModel, slots: int) -> Generator:
    """A generator that decodes as on a GPU, kernel by kernel."""
    generator = Generator(model, slots, 256, EOS)
    with torch.inference_mode():
        for layer in generator._cache.layers:
            layer.zero_()
        generator._decoder = DeviceDecoder(model, generator._cache, slots, graphs=False)
    return generator


def crowd() -> list[Sequence]:
    """One of them reads its prompt in several pieces while others speak."""
    prompt = golden("lm_tiny")["prompt"]
    long = np.concatenate((prompt, prompt, prompt), axis=1)
    lengths = [32, 5, 90, 20, 12, 70]
    return [
        Sequence(f"s{i}", "job", long[:, :length], i, GREEDY, max_new_tokens=30 + i) for i, length in enumerate(lengths)
    ]


def run(generator: Generator, *sequences: Sequence) -> dict[str, np.ndarray]:
    grown: list[Grown] = []
    for sequence in sequences:
        generator.add(sequence)
        grown += generator.step()
    grown += drain(generator)
    return {s.id: np.concatenate([one.codes for one in grown if one.id == s.id], axis=1) for s in sequences}


def test_greedy_generation_gives_the_official_frames(model: LanguageModel) -> None:
    official = golden("lm_tiny")
    frames = official["greedy"]
    sequence = Sequence("a", "a", official["prompt"], 0, GREEDY, max_new_tokens=frames.shape[1])
    np.testing.assert_array_equal(run(on_device(model, 3), sequence)["a"], frames[1:, :-1] - 2)


def test_a_crowd_speaks_as_each_does_alone(model: LanguageModel) -> None:
    together = run(on_device(model, 3), *crowd())
    for sequence in crowd():
        expected = run(Generator(model, 1, 256, EOS), sequence)[sequence.id]
        np.testing.assert_array_equal(together[sequence.id], expected)


def test_whoever_follows_a_failure_is_not_harmed(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot of one whose prompt gives no numbers, and of one that was removed while reading such a prompt."""
    poisoned = model.embeddings.clone()
    poisoned[3] = torch.nan
    monkeypatch.setattr(model, "embeddings", poisoned)
    ill = np.full((5, 100), 3, np.int32)
    generator = on_device(model, 1)
    sequence = crowd()[0]
    expected = run(Generator(model, 1, 256, EOS), sequence)[sequence.id]
    generator.add(Sequence("ill", "job", ill, 0, GREEDY))
    assert "not a number" in str(drain(generator)[-1].failure)
    np.testing.assert_array_equal(run(generator, sequence)[sequence.id], expected)
    generator.add(Sequence("ill", "job", ill, 0, GREEDY))
    generator.step()
    generator.remove(["ill"])
    np.testing.assert_array_equal(run(generator, sequence)[sequence.id], expected)


def test_heads_may_share_keys() -> None:
    model = build(LMConfig(max_seq_len=256, vocab_size=300, n_layer=2, n_head=4, n_local_heads=2, dim=64))
    (sequence, *_) = crowd()
    expected = run(Generator(model, 1, 256, EOS), sequence)[sequence.id]
    np.testing.assert_array_equal(run(on_device(model, 2), sequence)[sequence.id], expected)


def test_attention_reaches_as_far_as_it_must() -> None:
    assert reaches(100) == [100]
    assert reaches(256) == [256]
    assert reaches(2048) == [256, 512, 1024, 2048]
    assert reaches(1088) == [256, 512, 1024, 1088]
