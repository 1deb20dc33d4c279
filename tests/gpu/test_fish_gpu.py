"""Parity of Fish-Speech's language model on a CUDA device: ``make test-gpu``, on a machine that has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fish.lm import build, golden
from support.fish.scripted_lm import drain

from backends.fish.generation import Sampling, Sequence, StepOutput
from backends.fish.v0_2.lm.engine import LMEngine
from backends.fish.v0_2.lm.model import LanguageModel

pytestmark = pytest.mark.gpu

EOS = 2
CUDA = torch.device("cuda", 0)
GREEDY = Sampling(temperature=1e-5, top_p=1.0, repetition_penalty=1.5)
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _no_memory_left_behind() -> Iterator[None]:
    yield
    torch.cuda.empty_cache()


def tiny(dtype: torch.dtype, *, int8: bool = False) -> LanguageModel:
    official = golden("lm_tiny")
    return build(official["config"], dtype, seed=official["seed"], device=CUDA, int8=int8)


def run(model: LanguageModel, *crowd: Sequence, graphs: bool, slots: int = 4) -> dict[str, np.ndarray]:
    generator = LMEngine(model, slots, 256, EOS, compile=graphs)
    grown: list[StepOutput] = []
    for sequence in crowd:
        generator.add(sequence)
        grown += generator.step()
    grown += drain(generator)
    assert not any(one.failure for one in grown)
    return {
        sequence.id: np.concatenate([one.codes for one in grown if one.id == sequence.id], axis=1) for sequence in crowd
    }


def crowd(count: int) -> list[Sequence]:
    prompt, sampled = golden("lm_tiny")["prompt"], Sampling(temperature=1.0, top_p=0.9)
    return [
        Sequence(f"s{index}", f"job{index % 2}", prompt[:, : 32 - index], index, sampled, max_new_tokens=40 + index)
        for index in range(count)
    ]


@pytest.mark.parametrize("graphs", [False, True], ids=["eager", "graphs"])
@pytest.mark.parametrize("name", ["lm_tiny", "lm_400m"])
def test_greedy_generation_gives_the_official_frames(name: str, graphs: bool) -> None:
    official = golden(name)
    model = build(official["config"], seed=official["seed"], device=CUDA)
    frames = official["greedy"]
    generator = LMEngine(model, 4, 256, EOS, compile=graphs)
    generator.add(Sequence("a", "a", official["prompt"], 0, GREEDY, max_new_tokens=frames.shape[1]))
    codes = np.concatenate([one.codes for one in drain(generator)], axis=1)
    np.testing.assert_array_equal(codes, frames[1:, :-1] - 2)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_graph_computes_what_its_kernels_do_one_by_one(dtype: torch.dtype) -> None:
    model, sequences = tiny(dtype), crowd(6)
    eager, graphed = (run(model, *sequences, graphs=graphs) for graphs in (False, True))
    for name, codes in eager.items():
        np.testing.assert_array_equal(graphed[name], codes)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_codes_do_not_depend_on_the_crowd(dtype: torch.dtype) -> None:
    model, sequences = tiny(dtype), crowd(6)
    together = run(model, *sequences, graphs=True)
    for sequence in sequences:
        np.testing.assert_array_equal(run(model, sequence, graphs=True)[sequence.id], together[sequence.id])


def test_noise_is_that_of_the_cpu() -> None:
    official = golden("lm_tiny")
    cpu = build(official["config"], seed=official["seed"])
    for sequence in crowd(3):
        alone = run(cpu, sequence, graphs=False)[sequence.id]
        np.testing.assert_array_equal(run(tiny(torch.float32), sequence, graphs=True)[sequence.id], alone)


def test_eight_bits_speak_too() -> None:
    (sequence,) = crowd(1)
    sequence = replace(sequence, sampling=GREEDY)
    found = run(tiny(torch.float16, int8=True), sequence, graphs=True)[sequence.id]
    assert found.shape[1] > 10
