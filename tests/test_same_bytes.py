"""The small checkpoints compute the same audio alone and among other jobs, on a CPU, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from backends.base import AudioChunk, Engine, EngineConfig, Failed, Finished, Job
from backends.registry import Registry

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[1] / "configs/engines"
TEXTS = ("Yes.", "Good morning.", "Yes.", "It rained all day, and we listened.")  # two of equal length
OPTIONS = {"f5": {"nfe": 2}, "fish": {"max_new_tokens": 30}}


@pytest.fixture(scope="module", params=OPTIONS)
def loaded(request: pytest.FixtureRequest) -> Iterator[tuple[str, Engine]]:
    """The name of an engine and the engine, with its small checkpoint."""
    name = request.param
    blocks = [
        yaml.safe_load((CONFIGS / file).read_text())["engines"][name] for file in (f"{name}.yaml", f"{name}-mini.yaml")
    ]
    model, defaults = ({**blocks[0].get(key, {}), **blocks[1].get(key, {})} for key in ("model", "defaults"))
    threads = torch.get_num_threads()
    engine = Registry().plugin_class(name)(EngineConfig(name, "cpu", "float32", 1, model, defaults)).load()
    yield name, engine
    engine.close()
    torch.set_num_threads(threads)


def jobs(engine: str) -> list[Job]:
    """One job for each text, each with its own seed; every second one is streamed."""
    return [
        Job(f"{index}", text, seed=index, stream=bool(index % 2), options=OPTIONS[engine])
        for index, text in enumerate(TEXTS)
    ]


def speak(engine: Engine, jobs: list[Job], every: int = 0) -> dict[str, bytes]:
    """Add all jobs at once, or one in every so many steps; return the audio of each."""
    parts: dict[str, list[np.ndarray]] = {job.id: [] for job in jobs}
    queue, steps, active = list(jobs), 0, len(jobs)
    while active:
        while queue and (not every or steps % every == 0):
            engine.add(queue.pop(0))
            if every:
                break
        steps += 1
        for event in engine.step():
            assert not isinstance(event, Failed), event
            if isinstance(event, AudioChunk):
                parts[event.job_id].append(event.samples)
            active -= isinstance(event, Finished)
    return {name: np.concatenate(chunks).tobytes() for name, chunks in parts.items()}


def test_audio_is_bit_identical_alone_and_in_any_batch(loaded: tuple[str, Engine]) -> None:
    name, engine = loaded
    alone = {job.id: speak(engine, [job])[job.id] for job in jobs(name)}
    assert len(set(alone.values())) == len(TEXTS)
    assert speak(engine, jobs(name)) == alone
    assert speak(engine, jobs(name)[::-1], every=2) == alone
