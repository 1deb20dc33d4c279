"""The description of an engine that the contract tests start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backends.base import EngineConfig, EnginePlugin, Reference

LONG_TEXT = (
    "The first sentence is long enough to be heard. The second one follows at once. "
    "A third one comes after that, and it has two clauses. The last one ends the text."
)


def synthetic_reference(seconds: float = 2.0, rate_hz: int = 24000) -> Reference:
    """A harmonic tone with the rhythm of syllables, for engines that accept any recording as a voice."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz  # (N,)
    harmonics = np.sum([np.sin(2 * np.pi * 150 * k * time_s) / k for k in range(1, 8)], axis=0)
    envelope = 0.2 * (1.1 + np.sin(2 * np.pi * 4 * time_s))
    audio = (envelope * harmonics).astype(np.float32)
    return Reference(audio, rate_hz, "This is the voice to clone.", digest="0123456789abcdef")


@dataclass(frozen=True)
class EngineProfile:
    """One engine and the inputs it is tested with.

    :param plugin: the engine's plugin.
    :param config: the configuration it is built with.
    :param text: a short text the engine speaks.
    :param long_text: a text that takes more than one step.
    :param unsupported_text: a text the engine refuses, because it is in another script; None: it speaks every script.
    :param seeded: whether the seed changes the audio.
    :param reference: the voice to clone, for engines that clone.
    :param failing_job: fields of a ``Job`` that ``add`` admits and that fails in a later step, e.g.
        ``{"text": "…"}`` or ``{"options": {…}}``; None: no known input does that, and the test is skipped.
    :param tolerance: largest difference of a sample between a batch and alone; 0: bit-identical.
    :param max_step_s: time limit of one ``add`` or ``step``. About 100 ms is the aim on the target device; the default
        leaves room for slow test machines.
    :param max_steps: number of steps after which a job counts as stuck.
    """

    plugin: type[EnginePlugin]
    config: EngineConfig = field(default_factory=lambda: EngineConfig("tested"))
    text: str = "Hello there."
    long_text: str = LONG_TEXT
    unsupported_text: str | None = None
    seeded: bool = True
    reference: Reference = field(default_factory=synthetic_reference)
    failing_job: Mapping[str, Any] | None = None
    tolerance: float = 0.0
    max_step_s: float = 10.0
    max_steps: int = 10_000
