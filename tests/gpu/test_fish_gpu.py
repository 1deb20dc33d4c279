"""Parity of Fish-Speech's language model on a CUDA device; run by ``make test-gpu``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fish.lm import build, golden
from support.fish.scripted_lm import drain
from support.gpu_device import DEVICE, GRAPHS

from backends.fish.generation import ChunkKey, Sampling, Sequence, StepOutput
from backends.fish.v0_2.lm.engine import LMEngine
from backends.fish.v0_2.lm.model import LanguageModel

pytestmark = pytest.mark.gpu

EOS = 2
GREEDY = Sampling(temperature=1e-5, top_p=1.0, repetition_penalty=1.5)
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _no_memory_left_behind() -> Iterator[None]:
    yield
    torch.cuda.empty_cache()


def tiny(dtype: torch.dtype, *, int8: bool = False) -> LanguageModel:
    official = golden("lm_tiny")
    return build(official["config"], dtype, seed=official["seed"], device=DEVICE, int8=int8)


def run(model: LanguageModel, *batch: Sequence, graphs: bool, slots: int = 4) -> dict[ChunkKey, np.ndarray]:
    lm = LMEngine(model, slots, 256, EOS, compile=graphs and GRAPHS)
    outputs: list[StepOutput] = []
    for sequence in batch:
        lm.add(sequence)
        outputs += lm.step()
    outputs += drain(lm)
    assert not any(output.failure for output in outputs)
    return {
        sequence.id: np.concatenate([output.codes for output in outputs if output.id == sequence.id], axis=1)
        for sequence in batch
    }


def sequences(count: int) -> list[Sequence]:
    prompt, sampled = golden("lm_tiny")["prompt"], Sampling(temperature=1.0, top_p=0.9)
    return [
        Sequence((f"job{index % 2}", index), prompt[:, : 32 - index], index, sampled, max_new_tokens=40 + index)
        for index in range(count)
    ]


@pytest.mark.parametrize("graphs", [False, True], ids=["eager", "graphs"])
@pytest.mark.parametrize("name", ["lm_tiny", "lm_400m"])
def test_greedy_frames_equal_the_official_ones(name: str, graphs: bool) -> None:
    official = golden(name)
    model = build(official["config"], seed=official["seed"], device=DEVICE)
    frames = official["greedy"]
    lm = LMEngine(model, 4, 256, EOS, compile=graphs and GRAPHS)
    lm.add(Sequence(("a", 0), official["prompt"], 0, GREEDY, max_new_tokens=frames.shape[1]))
    codes = np.concatenate([output.codes for output in drain(lm)], axis=1)
    np.testing.assert_array_equal(codes, frames[1:, :-1] - 2)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_graph_gives_the_codes_of_eager_decoding(dtype: torch.dtype) -> None:
    model, batch = tiny(dtype), sequences(6)
    eager, graphed = (run(model, *batch, graphs=graphs) for graphs in (False, True))
    for key, codes in eager.items():
        np.testing.assert_array_equal(graphed[key], codes)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_codes_do_not_depend_on_the_batch(dtype: torch.dtype) -> None:
    model, batch = tiny(dtype), sequences(6)
    together = run(model, *batch, graphs=True)
    for sequence in batch:
        np.testing.assert_array_equal(run(model, sequence, graphs=True)[sequence.id], together[sequence.id])


def test_sampled_codes_equal_those_of_the_cpu() -> None:
    official = golden("lm_tiny")
    cpu = build(official["config"], seed=official["seed"])
    for sequence in sequences(3):
        alone = run(cpu, sequence, graphs=False)[sequence.id]
        np.testing.assert_array_equal(run(tiny(torch.float32), sequence, graphs=True)[sequence.id], alone)


def test_int8_model_generates_codes() -> None:
    (sequence,) = sequences(1)
    sequence = replace(sequence, sampling=GREEDY)
    codes = run(tiny(torch.float16, int8=True), sequence, graphs=True)[sequence.id]
    assert codes.shape[1] > 10
