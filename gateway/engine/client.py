"""One configured engine as the rest of the gateway sees it, wherever it runs."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backends.base import Audio, AudioChunk, Capabilities, Codes, CodesChunk, DecodeJob, EncodeJob, Job
from backends.errors import InvalidJob
from gateway.errors import EngineUnavailable, SynthesisFailed

Work = Job | EncodeJob | DecodeJob
EngineOutput = AudioChunk | CodesChunk

LOADING_RETRY_S = 5.0  # what a client is told to wait while an engine loads and nobody knows for how long


class State(StrEnum):
    """What an engine is doing."""

    UNLOADED = "unloaded"  # nothing runs; a request or a load call starts it
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"  # loading failed or the worker died; it is tried again after a wait
    STOPPING = "stopping"  # finishes its jobs, takes no new ones


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far loading is; bytes when the stage is a download."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A snapshot of one engine.

    :param capabilities: those of the loaded model, or of the last one that was loaded.
    :param error: why it is not ready, when something went wrong.
    :param retry_in_s: when it will be tried again, or how long loading should still take, where that is known.
    """

    state: State
    capabilities: Capabilities | None = None
    progress: LoadProgress | None = None
    active_jobs: int = 0
    restarts: int = 0
    error: str | None = None
    retry_in_s: float | None = None


class EngineClient(ABC):
    """Submits jobs to one engine and controls its life.

    :ivar name: the name the engine is configured under.
    """

    name: str

    @property
    def capabilities(self) -> Capabilities | None:
        """Those of the loaded model, or of the last one that was loaded."""
        return self.status().capabilities

    @abstractmethod
    def status(self) -> EngineStatus:
        """A snapshot; never waits."""

    def ensure_loading(self) -> None:
        """Start loading an unloaded engine; a failed one keeps its back-off."""
        if self.status().state is State.UNLOADED:
            self.load()

    def unavailable_error(self) -> EngineUnavailable:
        """The error for a request that this engine cannot take in its current state."""
        status = self.status()
        message = f"engine {self.name!r} is {status.state.value}"
        if status.error:
            message += f": {status.error}"
        wait_s = LOADING_RETRY_S if status.retry_in_s is None else max(1.0, status.retry_in_s)
        return EngineUnavailable(message, param="engine", retry_after_s=wait_s)

    @abstractmethod
    def submit(self, job: Job) -> AsyncGenerator[AudioChunk, None]:
        """The job's audio as it is made. Closing the generator early aborts the job at the engine's next step.

        :raises backends.errors.InvalidJob: the engine refuses the job; before the first chunk.
        :raises gateway.errors.EngineUnavailable: it is not ready; before the first chunk. An unloaded engine
            begins to load.
        :raises gateway.errors.SynthesisFailed: the job, or the process that held it, failed.
        """

    def convert(self, job: EncodeJob | DecodeJob) -> AsyncGenerator[EngineOutput, None]:
        """The codes of a sound, or the sound of codes, as they are made; otherwise as :meth:`submit`.

        :raises backends.errors.InvalidJob: the engine has no codec, or refuses the job.
        """
        raise InvalidJob(f"engine {self.name!r} has no codec that requests could use")

    async def encode(self, job: EncodeJob) -> Codes:
        """All codes of a sound, shape (G, T). Errors are those of :meth:`convert`."""
        async with contextlib.aclosing(self.convert(job)) as made:
            parts = [part.codes async for part in made if isinstance(part, CodesChunk)]
        if not parts:
            raise SynthesisFailed("the engine made no codes of the sound")
        return np.concatenate(parts, axis=1)

    async def decode(self, job: DecodeJob) -> Audio:
        """All sound of codes, shape (N,). Errors are those of :meth:`convert`."""
        async with contextlib.aclosing(self.convert(job)) as made:
            parts = [part.samples async for part in made if isinstance(part, AudioChunk)]
        if not parts:
            raise SynthesisFailed("the engine made no sound of the codes")
        return np.concatenate(parts)

    @abstractmethod
    def load(self) -> None:
        """Begin loading, if it is not loaded; returns at once. Cuts a wait before a new try short."""

    @abstractmethod
    async def unload(self) -> None:
        """Let running jobs finish, then free the engine's memory. Returns when that is done."""

    @abstractmethod
    async def close(self) -> None:
        """End everything now; running jobs fail. For good: a later ``load`` does nothing."""
