"""An engine in memory, for tests of everything above it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import numpy as np

from backends.base import AudioChunk, BuiltinVoice, Capabilities, CodesChunk, DecodeJob, EncodeJob, Job
from gateway.engine.client import EngineClient, EngineOutput, EngineStatus, State

FAKE_CAPABILITIES = Capabilities(
    model="fake-1",
    sample_rate_hz=24000,
    languages=("en",),
    cloning="optional",
    streaming="sentence",
    voices=(BuiltinVoice("ada", "en"), BuiltinVoice("grace", "en")),
    max_text_chars=1000,
    max_jobs=4,
    options_schema={
        "type": "object",
        "properties": {"depth": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}},
        "additionalProperties": False,
    },
)

Script = Callable[[Job], AsyncGenerator[AudioChunk, None]]


async def two_chunks(job: Job) -> AsyncGenerator[AudioChunk, None]:
    """Two tenths of a second of seeded noise."""
    rng = np.random.default_rng(job.seed)
    for _ in range(2):
        yield AudioChunk(job.id, rng.uniform(-0.5, 0.5, 2400).astype(np.float32))
        await asyncio.sleep(0)


class FakeEngine(EngineClient):
    """Does what ``script`` says; records the jobs and how they ended.

    :ivar jobs: every job submitted.
    :ivar conversions: every job of the codec, which there is where the capabilities have one.
    :ivar aborted: ids of jobs whose listener left before the end.
    :ivar closed: whether it was closed; it cannot be loaded any more.
    :param loads_to: its state after a load.
    :param error: why it is not ready.
    """

    def __init__(
        self,
        name: str = "fake",
        script: Script = two_chunks,
        capabilities: Capabilities = FAKE_CAPABILITIES,
        state: State = State.READY,
        loads_to: State = State.LOADING,
        error: str | None = None,
    ):
        self.name = name
        self.script = script
        self._capabilities = capabilities
        self.state = state
        self.loads_to = loads_to
        self.error = error
        self.closed = False
        self._known = False
        self.jobs: list[Job] = []
        self.conversions: list[EncodeJob | DecodeJob] = []
        self.aborted: list[str] = []

    def status(self) -> EngineStatus:
        """Whatever ``state`` is set to; capabilities are known from the first time it was ready."""
        self._known = self._known or self.state is State.READY
        return EngineStatus(self.state, self._capabilities if self._known else None, error=self.error)

    async def submit(self, job: Job) -> AsyncGenerator[AudioChunk, None]:
        """See :class:`EngineClient`."""
        if self.state is not State.READY:
            self.ensure_loading()
            raise self.unavailable_error()
        self.jobs.append(job)
        finished = False
        try:
            async for chunk in self.script(job):
                yield chunk
            finished = True
        finally:
            if not finished:
                self.aborted.append(job.id)

    def convert(self, job: EncodeJob | DecodeJob) -> AsyncGenerator[EngineOutput, None]:
        """See :class:`EngineClient`: zeros of the right length."""
        return self._converted(job) if self._capabilities.codec else super().convert(job)

    async def _converted(self, job: EncodeJob | DecodeJob) -> AsyncGenerator[EngineOutput, None]:
        codec = self._capabilities.codec
        if codec is None or self.state is not State.READY:
            self.ensure_loading()
            raise self.unavailable_error()
        self.conversions.append(job)
        if isinstance(job, EncodeJob):
            frames = -(-len(job.audio) // codec.samples_per_frame)
            yield CodesChunk(job.id, np.zeros((codec.codebooks, frames), np.int64))
        else:
            yield AudioChunk(job.id, np.zeros(job.codes.shape[1] * codec.samples_per_frame, np.float32))

    def load(self) -> None:
        """Unloaded becomes ``loads_to``; by default loading, and the test decides when it is ready."""
        if self.state is State.UNLOADED and not self.closed:
            self.state = self.loads_to

    async def unload(self) -> None:
        """At once."""
        self.state = State.UNLOADED

    async def close(self) -> None:
        """At once."""
        self.closed = True
        self.state = State.UNLOADED
