"""A sound engine with a codec, small enough to be broken in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backends.base import (
    AudioChunk,
    Capabilities,
    CodecInfo,
    Codes,
    CodesChunk,
    DecodeJob,
    EncodeJob,
    EngineConfig,
    Event,
    Finished,
    Progress,
    no_progress,
)
from backends.errors import InvalidJob
from backends.tone.engine import ToneEngine, TonePlugin

CODEC = CodecInfo(codebooks=2, codebook_size=256, samples_per_frame=100)


class ToyEngine(ToneEngine):
    """The tone engine, and a codec that quantizes the mean of 100 samples to 8 bits."""

    def __init__(self, capabilities: Capabilities, defaults: Mapping[str, Any]):
        super().__init__(replace(capabilities, codec=CODEC), defaults)
        self.conversions: dict[str, EncodeJob | DecodeJob] = {}

    def convert(self, job: EncodeJob | DecodeJob) -> None:
        if isinstance(job, DecodeJob) and len(job.codes) != CODEC.codebooks:
            raise InvalidJob(f"codes have {CODEC.codebooks} codebooks, not {len(job.codes)}", param="codes")
        self.conversions[job.id] = job

    def step(self) -> Sequence[Event]:
        events = list(super().step())
        for job in self.conversions.values():
            if isinstance(job, EncodeJob):
                events.append(CodesChunk(job.id, self.encode(job)))
            else:
                samples = np.repeat(job.codes[0] / 128 - 1, CODEC.samples_per_frame)
                events.append(AudioChunk(job.id, samples.astype(np.float32)))
            events.append(Finished(job.id))
        self.conversions.clear()
        return events

    def encode(self, job: EncodeJob) -> Codes:
        """Codes of shape (K, T), T in code frames."""
        frames = len(job.audio) // CODEC.samples_per_frame
        means = job.audio[: frames * CODEC.samples_per_frame].reshape(frames, -1).mean(axis=1)
        return np.tile(np.clip((means + 1) * 128, 0, 255).astype(np.int64), (CODEC.codebooks, 1))

    def abort(self, job_id: str) -> None:
        super().abort(job_id)
        self.conversions.pop(job_id, None)


def toy_plugin(engine: type[ToneEngine]) -> type[TonePlugin]:
    """A plugin that accepts the tone engine's configuration and loads another engine."""

    class Plugin(TonePlugin):
        def __init__(self, config: EngineConfig):
            super().__init__(config)
            self.defaults = config.defaults

        def load(self, progress: Progress = no_progress) -> ToneEngine:
            return engine(super().load(progress).capabilities, self.defaults)

    return Plugin


ToyPlugin = toy_plugin(ToyEngine)
