"""Both engines on random weights, driven as a worker drives them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import weights

from backends.base import AudioChunk, Engine, EngineConfig, EnginePlugin, Failed, Job, Reference

TEXT = "The old lighthouse spoke again on a quiet evening in March."
QUICK_TEXT = "The old lighthouse spoke."
REFERENCE_TEXT, REFERENCE_S = "Some call me nature, others call me mother nature.", 3.0


@dataclass(frozen=True)
class Spoken:
    """A job's audio, mono (N,), and how long it took."""

    samples: np.ndarray
    first_s: float
    wall_s: float


def build(name: str, device: str, quick: bool, dtype: str = "auto", **model: Any) -> EnginePlugin:
    """Return the plugin of ``f5`` or ``fish`` with its configuration.

    :param model: further keys of its ``model:`` block.
    """
    from backends.f5.plugin import F5Plugin
    from backends.fish.plugin import FishPlugin

    plugin, block, defaults = {
        "f5": (F5Plugin, weights.f5, {}),
        "fish": (FishPlugin, weights.fish, {"use_g2p": False}),  # dictionaries do not travel
    }[name]
    threads = None if device.startswith("cuda") else 1  # small products wait longer for each other than they take
    made = block(quick, device) | model
    return plugin(EngineConfig(name, device=device, dtype=dtype, threads=threads, model=made, defaults=defaults))


def reference(rate_hz: int = 24000) -> Reference:
    """Return something like a voice, with no pause that an engine would cut off."""
    t = np.arange(int(REFERENCE_S * rate_hz)) / rate_hz
    hum = sum(np.sin(2 * np.pi * 120 * harmonic * t) / harmonic for harmonic in range(1, 20))
    loudness = 0.1 + 0.05 * np.sin(2 * np.pi * 4 * t)
    return Reference((loudness * hum).astype(np.float32), rate_hz, REFERENCE_TEXT, "hum")


def job(name: str, quick: bool, frames: int = 64, seed: int = 0, text: str | None = None) -> Job:
    """Return a request of the usual size.

    :param frames: of Fish's code, which random weights do not end by themselves; one more is generated.
    """
    options = {"nfe": 4 if quick else 16} if name == "f5" else {"max_new_tokens": frames + 1}
    text = text or (QUICK_TEXT if quick else TEXT)
    return Job(str(seed), text, seed=seed, reference=reference(), options=options)


def speak(engine: Engine, *jobs: Job) -> dict[str, Spoken]:
    """Return the audio of jobs that are spoken together, by their ids.

    :raises RuntimeError: one failed.
    """
    began_at = time.perf_counter()
    chunks: dict[str, list[np.ndarray]] = {one.id: [] for one in jobs}
    first_s: dict[str, float] = {}
    spoken: dict[str, Spoken] = {}
    for one in jobs:
        engine.add(one)
    while len(spoken) < len(jobs):
        for event in engine.step():
            now_s = time.perf_counter() - began_at
            if isinstance(event, Failed):
                raise RuntimeError(event.message)
            if isinstance(event, AudioChunk):
                first_s.setdefault(event.job_id, now_s)
                chunks[event.job_id].append(event.samples)
            else:
                samples = np.concatenate(chunks[event.job_id])
                spoken[event.job_id] = Spoken(samples, first_s[event.job_id], now_s)
    return spoken
