"""Engine client: the gateway's interface to one configured engine, wherever it runs."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backends.base import Audio, AudioChunk, Capabilities, Codes, CodesChunk, DecodeJob, EncodeJob, Job, Trace
from backends.errors import InvalidJob
from gateway.errors import EngineUnavailable, SynthesisFailed

Work = Job | EncodeJob | DecodeJob
SpeechOutput = AudioChunk | Trace
EngineOutput = SpeechOutput | CodesChunk

LOADING_RETRY_S = 5.0  # Retry-After while an engine loads and the remaining time is unknown


class State(StrEnum):
    """State of an engine."""

    UNLOADED = "unloaded"  # no worker; a request or a load call starts one
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"  # loading failed or the worker died; restarted after a back-off
    STOPPING = "stopping"  # finishes its jobs and takes no new ones


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Progress of a loading stage; in bytes when the stage is a download."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A snapshot of one engine.

    :param capabilities: those of the loaded model, or of the last one loaded.
    :param error: reason of the last failure, while the engine is not ready.
    :param retry_in_s: time until the next restart, or the estimated rest of loading; None if unknown.
    """

    state: State
    capabilities: Capabilities | None = None
    progress: LoadProgress | None = None
    active_jobs: int = 0
    restarts: int = 0
    error: str | None = None
    retry_in_s: float | None = None


class EngineClient(ABC):
    """Submits jobs to one engine, loads and unloads it.

    :ivar name: the engine's configured name.
    """

    name: str

    @property
    def capabilities(self) -> Capabilities | None:
        """Capabilities of the loaded model, or of the last one loaded."""
        return self.status().capabilities

    @property
    def last_load(self) -> Capabilities | None:
        """Capabilities of the last load, maybe by an earlier process. They may be outdated, so only for display."""
        return self.capabilities

    @property
    def ready(self) -> bool:
        """Whether the engine takes jobs."""
        return self.status().state is State.READY

    @abstractmethod
    def status(self) -> EngineStatus:
        """Return a snapshot without waiting."""

    def memory_bytes(self) -> int | None:
        """Resident memory of the engine's processes, without that of GPUs; None if there are none, or if unknown."""
        return None

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
    def submit(self, job: Job) -> AsyncGenerator[SpeechOutput, None]:
        """Stream the job's audio, and traces if its options ask for them.

        Closing the generator early aborts the job at the engine's next step.

        :raises backends.errors.InvalidJob: if the engine rejects the job; before the first chunk.
        :raises gateway.errors.EngineUnavailable: if the engine is not ready; before the first chunk. An unloaded
            engine starts to load.
        :raises gateway.errors.SynthesisFailed: if the job or its worker process failed.
        """

    def convert(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        """Stream the codes of encoded audio or of a job with ``codes_only``, or the audio of decoded codes.

        Otherwise like :meth:`submit`.

        :raises backends.errors.InvalidJob: if the engine has no codec, or rejects the job.
        """
        raise InvalidJob(f"engine {self.name!r} has no codec")

    async def encode(self, job: EncodeJob) -> Codes:
        """Encode audio to codes, shape (K, T). Raises like :meth:`convert`."""
        return await self._codes(job)

    async def generate(self, job: Job) -> Codes:
        """Generate the codes of a job with ``codes_only``, shape (K, T). Raises like :meth:`convert`."""
        return await self._codes(job)

    async def _codes(self, job: EncodeJob | Job) -> Codes:
        async with contextlib.aclosing(self.convert(job)) as made:
            parts = [part.codes async for part in made if isinstance(part, CodesChunk)]
        if not parts:
            raise SynthesisFailed("the engine returned no codes")
        return np.concatenate(parts, axis=1)

    async def decode(self, job: DecodeJob) -> Audio:
        """Decode codes to audio, shape (N,). Raises like :meth:`convert`."""
        async with contextlib.aclosing(self.convert(job)) as made:
            parts = [part.samples async for part in made if isinstance(part, AudioChunk)]
        if not parts:
            raise SynthesisFailed("the engine returned no audio for the codes")
        return np.concatenate(parts)

    @abstractmethod
    def load(self) -> None:
        """Start loading an unloaded engine, or restart a failed one before its back-off ends. Returns at once."""

    @abstractmethod
    async def unload(self) -> None:
        """Let running jobs finish, then free the engine's memory. Returns when the memory is free."""

    @abstractmethod
    async def close(self) -> None:
        """Stop the engine for good: running jobs fail, and a later ``load`` does nothing."""
