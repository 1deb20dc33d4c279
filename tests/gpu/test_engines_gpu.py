"""Whole engines on a CUDA device, driven as a worker drives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.engines import DEFAULTS, FAILING_TEXT, write_f5
from support.fish.model import write_model as write_fish
from support.gpu_device import DEVICE

from backends.base import AudioChunk, Engine, EngineConfig, EnginePlugin, Failed, Job
from backends.f5.plugin import F5Plugin
from backends.fish.plugin import FishPlugin

pytestmark = pytest.mark.gpu

PLUGINS: dict[str, type[EnginePlugin]] = {"f5": F5Plugin, "fish": FishPlugin}
WRITERS = {"f5": write_f5, "fish": write_fish}
ROUNDING = 1e-2
"""In parts of the loudest sample: a GPU's convolutions round to TF32, and other batches take other kernels."""
MAX_STEPS = 10_000
LONG = "The first sentence is long enough to be heard. The second one follows at once, and it has two clauses."


@pytest.fixture(scope="module", params=PLUGINS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return WRITERS[name](tmp_path_factory.mktemp(name))


def build(name: str, model: dict[str, Any], dtype: str = "float32", device: str = str(DEVICE)) -> Engine:
    threads = 1 if device == "cpu" else None
    config = EngineConfig(name, device=device, dtype=dtype, threads=threads, model=model, defaults=DEFAULTS[name])
    return PLUGINS[name](config).load()


@pytest.fixture(scope="module")
def engine(name: str, model: dict[str, Any]) -> Iterator[Engine]:
    built = build(name, model)
    yield built
    built.close()


def run(engine: Engine, *jobs: Job, failing: str | None = None) -> dict[str, np.ndarray]:
    """Speak jobs together; audio by id.

    :param failing: the one job that has to fail.
    """
    for job in jobs:
        engine.add(job)
    return drain(engine, {job.id for job in jobs}, failing)


def drain(engine: Engine, waiting: set[str], failing: str | None = None) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {job_id: [] for job_id in waiting}
    for _ in range(MAX_STEPS):
        for event in engine.step():
            if isinstance(event, AudioChunk):
                parts[event.job_id].append(event.samples)
                continue
            assert isinstance(event, Failed) == (event.job_id == failing), event
            waiting.remove(event.job_id)
        if not waiting:
            return {job_id: np.concatenate(chunks) for job_id, chunks in parts.items() if chunks}
    raise AssertionError(f"{waiting} did not end within {MAX_STEPS} steps")


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    bound = ROUNDING * np.abs(expected).max()
    return found.shape == expected.shape and float(np.abs(found - expected).max()) <= bound


def test_the_same_seed_gives_the_same_audio_to_the_last_bit(engine: Engine) -> None:
    first, again = (run(engine, Job("a", LONG, seed=5))["a"] for _ in range(2))
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


def test_a_crowd_changes_nothing(engine: Engine) -> None:
    job = Job("a", LONG, seed=3)
    alone = run(engine, job)["a"]
    others = [Job(f"x{index}", LONG[index:], seed=index) for index in range(5)]
    crowd = run(engine, others[0], job, *others[1:], replace(job, id="b"))
    assert same(crowd["a"], alone)
    assert same(crowd["b"], alone)


def test_audio_is_that_of_the_cpu(name: str, model: dict[str, Any], engine: Engine) -> None:
    on_cpu = build(name, model, device="cpu")
    job = Job("a", "Hello there.", seed=4)
    assert same(run(engine, job)["a"], run(on_cpu, job)["a"])
    on_cpu.close()


def test_an_aborted_job_is_silent_and_the_others_go_on(engine: Engine) -> None:
    job = Job("stays", LONG, seed=1)
    expected = run(engine, job)["stays"]
    engine.add(Job("goes", LONG, seed=2))
    engine.step()
    engine.abort("goes")
    assert same(run(engine, job)["stays"], expected)


@pytest.mark.parametrize("name", ["f5"], indirect=True)  # a random language model may draw fish's failing token itself
def test_failing_job_fails_alone(engine: Engine) -> None:
    job = Job("good", LONG, seed=1)
    expected = run(engine, job)["good"]
    engine.add(Job("bad", FAILING_TEXT, seed=1))
    engine.add(job)
    assert same(drain(engine, {"good", "bad"}, failing="bad")["good"], expected)


@pytest.mark.parametrize("dtype", ["auto", "float16", "bfloat16"])
def test_half_precision_speaks(name: str, model: dict[str, Any], dtype: str) -> None:
    if DEVICE.type == "cpu" and dtype == "float16":
        dtype = "float32"  # the engines leave float16 to GPUs
    built = build(name, model, dtype)
    audio = run(built, Job("a", LONG, seed=1), Job("b", "Hello there.", seed=2))
    built.close()
    assert all(np.isfinite(samples).all() and samples.any() for samples in audio.values())


def test_another_engine_serves_after_one_closed_with_jobs_under_way(name: str, model: dict[str, Any]) -> None:
    first = build(name, model)
    first.add(Job("a", LONG, seed=1))
    first.step()
    first.close()
    second = build(name, model)
    assert len(run(second, Job("a", "Hello there.", seed=1))["a"])
    second.close()
