"""The network and its generation, beside what the official v0.2.0 modules made of the same weights and prompts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fish.lm_reference import Heads, distribution, race
from fish.lm_scripted import drain
from fish.lm_synthetic import build, golden
from torch import Tensor

from backends.fish.generation import Sampling, Sequence
from backends.fish.v0_2.lm.engine import Generator
from backends.fish.v0_2.lm.kv_cache import EachAlone, Prompt
from backends.fish.v0_2.lm.model import LanguageModel

EXACT = 1e-3
EOS = 2
GREEDY = Sampling(temperature=1e-5, top_p=1.0, repetition_penalty=1.5)


@pytest.fixture(scope="module", params=["lm_tiny", "lm_400m"])
def made(request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, Any], LanguageModel]]:
    """A golden file and the network it was made with, in float32."""
    official = golden(request.param)
    yield official, build(official["config"], seed=official["seed"])
    gc.collect()  # 1.5 GB


def logits(model: LanguageModel, columns: np.ndarray, first: int) -> Iterator[Tensor]:
    """What follows the first so many columns, and then each of the others, whatever the model itself would say."""
    cache = model.cache(1, 256)
    ids = torch.from_numpy(columns.T.astype(np.int64))
    with torch.inference_mode():
        yield model(ids[:first], torch.arange(first), Prompt(cache, 0, 0, first, first), last=first - 1)[0]
        for at in range(first, len(ids)):
            yield model(ids[at : at + 1], torch.tensor([at]), EachAlone(cache, [(0, at)], 1))[0]


def test_the_prompt_gives_the_official_logits(made: tuple[dict[str, Any], LanguageModel]) -> None:
    official, model = made
    (found,) = logits(model, official["prompt"], official["prompt"].shape[1])
    expected = np.concatenate((official["prefill_token_logits"], official["prefill_codebook_logits"].ravel()))
    assert np.abs(found.numpy() - expected).max() < EXACT * np.abs(expected).max()


def test_greedy_generation_gives_the_official_frames(made: tuple[dict[str, Any], LanguageModel]) -> None:
    official, model = made
    frames = official["greedy"]
    generator = Generator(model, 4, 256, EOS)
    generator.add(Sequence("a", "a", official["prompt"], 0, GREEDY, max_new_tokens=frames.shape[1]))
    codes = np.concatenate([one.codes for one in drain(generator)], axis=1)
    np.testing.assert_array_equal(codes, frames[1:, :-1] - 2)


def test_codes_the_codec_does_not_know_are_not_drawn_where_that_is_asked() -> None:
    """The official frames hold some; random weights draw them as often as others."""
    official = golden("lm_tiny")
    frames = official["greedy"]
    assert frames[1:].max() >= 162
    generator = Generator(build(official["config"], seed=official["seed"]), 4, 256, EOS, codes=160)
    generator.add(Sequence("a", "a", official["prompt"], 0, GREEDY, max_new_tokens=frames.shape[1]))
    codes = np.concatenate([one.codes for one in drain(generator)], axis=1)
    assert codes.max() < 160
    before = int(np.argmax((frames[1:] >= 162).any(0)))
    assert codes.shape[1] > before
    np.testing.assert_array_equal(codes[:, :before], frames[1:, :before] - 2)


def test_the_reference_sampler_draws_the_official_frames_from_the_official_noise(
    made: tuple[dict[str, Any], LanguageModel],
) -> None:
    """Each frame is drawn from the network's logits on the official ones before it, in the official order of noise."""
    official, model = made
    config, prompt, frames = official["config"], official["prompt"], official["sampled_seed42"]
    sampling = Sampling(temperature=0.7, top_p=0.5, repetition_penalty=1.5)
    noise = torch.Generator().manual_seed(42)
    heads = Heads(sampling)
    columns = np.concatenate((prompt, frames[:, :-1]), axis=1)
    for index, said in enumerate(logits(model, columns, prompt.shape[1])):
        codes = said[config.vocab_size :].view(config.num_codebooks, -1)
        likely = [
            distribution(said[: config.vocab_size], sampling),
            *heads.distributions(codes, first=index == 0),
        ]
        drawn = [race(p, torch.empty(len(p)).exponential_(1, generator=noise)) for p in likely]
        assert drawn == frames[:, index].tolist(), index
        if index:
            heads.remember(drawn[1:])
