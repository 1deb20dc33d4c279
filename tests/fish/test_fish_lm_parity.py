"""Parity of the language model with the official v0.2.0 modules on the same weights and prompts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from support.fish.lm import build, golden
from support.fish.reference_sampler import Heads, distribution, race
from support.fish.scripted_lm import drain
from torch import Tensor

from backends.fish.generation import Sampling, Sequence
from backends.fish.v0_2.lm.engine import LMEngine
from backends.fish.v0_2.lm.kv_cache import PerSlotDecodeAttention, PrefillAttention
from backends.fish.v0_2.lm.model import LanguageModel

TOLERANCE = 1e-3
EOS = 2
GREEDY = Sampling(temperature=1e-5, top_p=1.0, repetition_penalty=1.5)


@pytest.fixture(scope="module", params=["lm_tiny", "lm_400m"])
def parity(request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, Any], LanguageModel]]:
    """A golden file and the model it was made with, in float32."""
    official = golden(request.param)
    yield official, build(official["config"], seed=official["seed"])
    gc.collect()  # 1.5 GB


def logits(model: LanguageModel, columns: np.ndarray, first: int) -> Iterator[Tensor]:
    """Next-token logits after the first columns and after each of the others, which are given (teacher forcing)."""
    cache = model.cache(1, 256)
    ids = torch.from_numpy(columns.T.astype(np.int64))
    with torch.inference_mode():
        yield model(ids[:first], torch.arange(first), PrefillAttention(cache, 0, 0, first, first), last=first - 1)[0]
        for at in range(first, len(ids)):
            yield model(ids[at : at + 1], torch.tensor([at]), PerSlotDecodeAttention(cache, [(0, at)], 1))[0]


def greedy(lm: LMEngine, official: dict[str, Any]) -> np.ndarray:
    limit = official["greedy"].shape[1]
    lm.add(Sequence(("a", 0), official["prompt"], 0, GREEDY, max_new_tokens=limit))
    return np.concatenate([output.codes for output in drain(lm)], axis=1)


def test_prefill_logits_equal_the_official_ones(parity: tuple[dict[str, Any], LanguageModel]) -> None:
    official, model = parity
    (computed,) = logits(model, official["prompt"], official["prompt"].shape[1])
    expected = np.concatenate((official["prefill_token_logits"], official["prefill_codebook_logits"].ravel()))
    assert np.abs(computed.numpy() - expected).max() < TOLERANCE * np.abs(expected).max()


def test_greedy_frames_equal_the_official_ones(parity: tuple[dict[str, Any], LanguageModel]) -> None:
    official, model = parity
    np.testing.assert_array_equal(greedy(LMEngine(model, 4, 256, EOS), official), official["greedy"][1:, :-1] - 2)


def test_codes_unknown_to_the_codec_are_not_drawn() -> None:
    """The official frames contain some: random weights draw them as often as others."""
    official = golden("lm_tiny")
    frames = official["greedy"]
    assert frames[1:].max() >= 162
    codes = greedy(LMEngine(build(official["config"], seed=official["seed"]), 4, 256, EOS, codes=160), official)
    assert codes.max() < 160
    before = int(np.argmax((frames[1:] >= 162).any(0)))
    assert codes.shape[1] > before
    np.testing.assert_array_equal(codes[:, :before], frames[1:, :before] - 2)


def test_reference_sampler_draws_the_official_frames_from_the_official_noise(
    parity: tuple[dict[str, Any], LanguageModel],
) -> None:
    """Each frame is drawn from the logits after the official frames before it, in the official order of noise."""
    official, model = parity
    config, prompt, frames = official["config"], official["prompt"], official["sampled_seed42"]
    sampling = Sampling(temperature=0.7, top_p=0.5, repetition_penalty=1.5)
    noise = torch.Generator().manual_seed(42)
    heads = Heads(sampling)
    columns = np.concatenate((prompt, frames[:, :-1]), axis=1)
    for index, row in enumerate(logits(model, columns, prompt.shape[1])):
        codes = row[config.vocab_size :].view(config.num_codebooks, -1)
        probs = [
            distribution(row[: config.vocab_size], sampling),
            *heads.distributions(codes, first=index == 0),
        ]
        drawn = [race(p, torch.empty(len(p)).exponential_(1, generator=noise)) for p in probs]
        assert drawn == frames[:, index].tolist(), index
        if index:
            heads.remember(drawn[1:])
