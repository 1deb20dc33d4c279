"""Sine tones instead of speech, with faults on demand: what the gateway is tested and measured with."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from backends.base import (
    AudioChunk,
    BuiltinVoice,
    Capabilities,
    Engine,
    EngineConfig,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    no_progress,
)
from backends.errors import FatalFault, InvalidJob, LoadError
from backends.hub import Hub, HubSettings
from backends.options import Options, json_schema, parse_config, parse_job_options

VOICES = {"low": 220.0, "high": 440.0}
CHUNK_S = 0.1
S_PER_CHAR = 0.05


class ToneModel(Options, frozen=True):
    """The ``model:`` block.

    ``load_s`` is how long loading takes; ``fail_load`` makes it fail; ``max_jobs`` is the batch. ``checkpoint`` is a
    reference that is fetched first, as a model's would be; what is in it does not matter.
    """

    sample_rate_hz: Annotated[int, Meta(ge=8000, le=48000)] = 24000
    load_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    fail_load: bool = False
    languages: tuple[str, ...] = ("en",)
    max_jobs: Annotated[int, Meta(ge=1, le=1024)] = 8
    checkpoint: str | None = None


class ToneOptions(Options, frozen=True):
    """Per-request options; a fault happens before the chunk of that number (0 is the first)."""

    step_s: Annotated[float, Meta(ge=0, le=60, description="how long each step takes, in seconds")] = 0.0
    fail_at: Annotated[int, Meta(ge=0, description="the job fails before this chunk")] | None = None
    fatal_at: Annotated[int, Meta(ge=0, description="the engine fails for good before this chunk")] | None = None
    crash_at: Annotated[int, Meta(ge=0, description="the process dies before this chunk")] | None = None
    hang_at: Annotated[int, Meta(ge=0, description="the step never returns before this chunk")] | None = None
    noise: Annotated[float, Meta(ge=0, le=1, description="seeded noise mixed in")] = 0.1


@dataclass
class _Tone:
    """One admitted job: its whole signal, shape (N,), and how many chunks of it are out."""

    job: Job
    options: ToneOptions
    signal: np.ndarray
    sent: int = 0


class ToneEngine(Engine):
    """One step emits 0.1 s of audio for every admitted job."""

    summary: ClassVar[str] = "sine tones for tests and benchmarks; no speech"

    def __init__(self, config: EngineConfig):
        self._model = parse_config(ToneModel, config.model, f"engines.{config.name}.model")
        self._defaults = dict(config.defaults)
        self._hub = config.hub
        self._jobs: dict[str, _Tone] = {}
        parse_config(ToneOptions, self._defaults, f"engines.{config.name}.defaults")

    def load(self, progress: Progress = no_progress) -> Capabilities:
        """Fetch ``checkpoint``, then wait ``load_s``, reporting progress ten times."""
        if self._model.checkpoint is not None:
            Hub(HubSettings.from_environment(self._hub)).fetch(self._model.checkpoint, progress)
        for tenth in range(10):
            progress("warming up", tenth, 10)
            time.sleep(self._model.load_s / 10)
        if self._model.fail_load:
            raise LoadError("fail_load is set")
        return Capabilities(
            model="tone",
            sample_rate_hz=self._model.sample_rate_hz,
            languages=self._model.languages,
            cloning="optional",
            streaming="frame",
            voices=tuple(BuiltinVoice(name, "en", f"{pitch:.0f} Hz") for name, pitch in VOICES.items()),
            max_text_chars=100_000,
            max_jobs=self._model.max_jobs,
            options_schema=json_schema(ToneOptions),
        )

    def add(self, job: Job) -> None:
        """Draw the job's whole signal: 50 ms a character; a reference's digest sets the pitch."""
        options = parse_job_options(ToneOptions, self._defaults, job.options)
        if job.reference is not None:
            pitch = 300.0 + int(job.reference.digest[:2] or "0", 16)
        elif (job.voice or "low") in VOICES:
            pitch = VOICES[job.voice or "low"]
        else:
            raise InvalidJob(f"no voice {job.voice!r}; voices: {', '.join(VOICES)}", param="voice")
        rate = self._model.sample_rate_hz
        time_s = np.arange(int(rate * S_PER_CHAR * len(job.text) / job.speed)) / rate
        noise = np.random.default_rng(job.seed).standard_normal(len(time_s)) * 0.1 * options.noise
        signal = (0.3 * np.sin(2 * np.pi * pitch * time_s) + noise).astype(np.float32)
        self._jobs[job.id] = _Tone(job, options, signal)

    def step(self) -> Sequence[Event]:
        """Emit the next chunk of every job, after the longest ``step_s`` among them."""
        events: list[Event] = []
        time.sleep(max((voice.options.step_s for voice in self._jobs.values()), default=0.0))
        for voice in list(self._jobs.values()):
            events += self._advance(voice)
        return events

    def _advance(self, voice: _Tone) -> list[Event]:
        job, options = voice.job, voice.options
        if voice.sent == options.crash_at:
            os._exit(17)
        if voice.sent == options.fatal_at:
            raise FatalFault("the option fatal_at asked for it")
        if voice.sent == options.hang_at:
            time.sleep(3600)
        if voice.sent == options.fail_at:
            del self._jobs[job.id]
            return [Failed(job.id, "the option fail_at asked for it")]
        size = int(CHUNK_S * self._model.sample_rate_hz)
        total = max(1, len(voice.signal))
        start = voice.sent * size
        piece = voice.signal[start : start + size]
        voice.sent += 1
        done = start + len(piece) >= len(voice.signal)
        end = total if done else start + len(piece)
        span = (start * len(job.text) // total, end * len(job.text) // total)
        events: list[Event] = [AudioChunk(job.id, piece, span)]
        if done:
            del self._jobs[job.id]
            events.append(Finished(job.id))
        return events

    def abort(self, job_id: str) -> None:
        """Forget the job."""
        self._jobs.pop(job_id, None)

    def close(self) -> None:
        """Nothing is held."""
        self._jobs.clear()
