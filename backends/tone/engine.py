"""The tone engine: sine tones with faults on demand, for tests and benchmarks of the gateway."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from backends.base import (
    Audio,
    AudioChunk,
    BuiltinVoice,
    Capabilities,
    Engine,
    EngineConfig,
    EnginePlugin,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    Trace,
    no_progress,
)
from backends.configuration import check_device, check_references
from backends.errors import FatalFault, InvalidJob, LoadError
from backends.hub import Hub, HubSettings
from backends.options import Options, json_schema, parse_config, parse_job_options

VOICES = {"low": 220.0, "high": 440.0}
CHUNK_S = 0.1
TRACE_SHAPE = (8, 5)  # of codes and mels, rows and columns per chunk
MEL_STEPS = 4
S_PER_CHAR = 0.05


class ToneModel(Options, frozen=True):
    """The ``model:`` block.

    ``load_s`` is the duration of loading, ``fail_load`` makes it fail, ``max_jobs`` is the batch size. ``checkpoint``
    is a reference that is fetched first; its content is not used.
    """

    sample_rate_hz: Annotated[int, Meta(ge=8000, le=48000)] = 24000
    load_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    fail_load: bool = False
    languages: tuple[str, ...] = ("en",)
    max_jobs: Annotated[int, Meta(ge=1, le=1024)] = 8
    checkpoint: str | None = None


class ToneOptions(Options, frozen=True):
    """Per-request options. Faults are triggered by the index of a chunk, from 0."""

    step_s: Annotated[float, Meta(ge=0, le=60, description="duration of each step, in seconds")] = 0.0
    fail_at: Annotated[int, Meta(ge=0, description="the job fails before this chunk")] | None = None
    fatal_at: Annotated[int, Meta(ge=0, description="the engine fails fatally before this chunk")] | None = None
    crash_at: Annotated[int, Meta(ge=0, description="the process dies before this chunk")] | None = None
    hang_at: Annotated[int, Meta(ge=0, description="the step never returns before this chunk")] | None = None
    noise: Annotated[float, Meta(ge=0, le=1, description="amplitude of the seeded noise")] = 0.1
    trace: Annotated[bool, Meta(description="send codes and mels for display, made up from the signal")] = False


@dataclass
class _Utterance:
    """An admitted job: its whole signal, shape (N,), and the number of chunks sent."""

    job: Job
    options: ToneOptions
    signal: np.ndarray
    sent: int = 0


class TonePlugin(EnginePlugin):
    """Configuration of the tone engine."""

    def __init__(self, config: EngineConfig):
        self._model = parse_config(ToneModel, config.model, f"{config.where}.model")
        parse_config(ToneOptions, config.defaults, f"{config.where}.defaults")
        check_device(config)
        check_references({"checkpoint": self._model.checkpoint}, f"{config.where}.model")
        self._config = config

    def known_voices(self) -> tuple[BuiltinVoice, ...]:
        """Two pitches."""
        return tuple(BuiltinVoice(name, "en", f"{pitch:.0f} Hz") for name, pitch in VOICES.items())

    def load(self, progress: Progress = no_progress) -> ToneEngine:
        """Fetch ``checkpoint``, then wait ``load_s`` with ten progress reports."""
        if self._model.checkpoint is not None:
            Hub(HubSettings.from_environment(self._config.hub)).fetch(self._model.checkpoint, progress)
        for tenth in range(10):
            progress("warming up", tenth, 10)
            time.sleep(self._model.load_s / 10)
        if self._model.fail_load:
            raise LoadError("fail_load is set")
        capabilities = Capabilities(
            model="tone",
            sample_rate_hz=self._model.sample_rate_hz,
            languages=self._model.languages,
            cloning="optional",
            streaming="frame",
            voices=self.known_voices(),
            max_text_chars=100_000,
            max_jobs=self._model.max_jobs,
            options_schema=json_schema(ToneOptions),
            min_letter_s=S_PER_CHAR / 2,
        )
        return ToneEngine(capabilities, self._config.defaults)


class ToneEngine(Engine):
    """Each step emits 0.1 s of audio per job."""

    def __init__(self, capabilities: Capabilities, defaults: Mapping[str, Any]):
        super().__init__(capabilities)
        self._defaults = defaults
        self._jobs: dict[str, _Utterance] = {}

    def add(self, job: Job) -> None:
        """Compute the whole signal, 50 ms per character. A reference's digest sets the pitch."""
        options = parse_job_options(ToneOptions, self._defaults, job.options)
        if job.reference is not None:
            pitch = 300.0 + int(job.reference.digest[:2] or "0", 16)
        elif (job.voice or "low") in VOICES:
            pitch = VOICES[job.voice or "low"]
        else:
            raise InvalidJob(f"no voice {job.voice!r}; voices: {', '.join(VOICES)}", param="voice")
        rate = self.capabilities.sample_rate_hz
        time_s = np.arange(int(rate * S_PER_CHAR * len(job.text) / job.speed)) / rate
        noise = np.random.default_rng(job.seed).standard_normal(len(time_s)) * 0.1 * options.noise
        signal = (0.3 * np.sin(2 * np.pi * pitch * time_s) + noise).astype(np.float32)
        self._jobs[job.id] = _Utterance(job, options, signal)

    def step(self) -> Sequence[Event]:
        """Emit the next chunk of every job, after a sleep of the largest ``step_s``."""
        events: list[Event] = []
        time.sleep(max((job.options.step_s for job in self._jobs.values()), default=0.0))
        for utterance in list(self._jobs.values()):
            events += self._advance(utterance)
        return events

    def _advance(self, utterance: _Utterance) -> list[Event]:
        job, options = utterance.job, utterance.options
        if utterance.sent == options.crash_at:
            os._exit(17)
        if utterance.sent == options.fatal_at:
            raise FatalFault("requested by the option fatal_at")
        if utterance.sent == options.hang_at:
            time.sleep(3600)
        if utterance.sent == options.fail_at:
            del self._jobs[job.id]
            return [Failed(job.id, "requested by the option fail_at")]
        size = int(CHUNK_S * self.capabilities.sample_rate_hz)
        total = max(1, len(utterance.signal))
        start = utterance.sent * size
        chunk = utterance.signal[start : start + size]
        utterance.sent += 1
        done = start + len(chunk) >= len(utterance.signal)
        end = total if done else start + len(chunk)
        span = (start * len(job.text) // total, end * len(job.text) // total)
        events: list[Event] = [AudioChunk(job.id, chunk, span)]
        if options.trace:
            events = [*_traces(job.id, chunk, span), *events]
        if done:
            del self._jobs[job.id]
            events.append(Finished(job.id))
        return events

    def abort(self, job_id: str) -> None:
        """Drop the job."""
        self._jobs.pop(job_id, None)

    def close(self) -> None:
        """Drop all jobs."""
        self._jobs.clear()


def _traces(job_id: str, chunk: Audio, span: tuple[int, int]) -> list[Trace]:
    """One trace of codes, and mels whose noise decreases from step to step, for a chunk of shape (N,)."""
    rows, columns = TRACE_SHAPE
    rate_hz = columns / CHUNK_S
    levels = np.abs(np.resize(chunk, TRACE_SHAPE))  # (K, T)
    traces = [Trace(job_id, "codes", (1000 * levels).astype(np.uint16), span, 0, rate_hz)]
    ramp = np.linspace(0, 255, rows)[:, None] * np.ones(columns)  # (M, T)
    for step in range(1, MEL_STEPS + 1):
        noise = np.random.default_rng(step).uniform(0, 255, TRACE_SHAPE)
        mel = ramp + (noise - ramp) * (1 - step / MEL_STEPS)
        traces.append(Trace(job_id, "mel", mel.astype(np.uint8), span, step, rate_hz))
    return traces
