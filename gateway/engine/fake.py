"""In-memory engine client, for tests of the layers above it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import numpy as np

from backends.base import AudioChunk, BuiltinVoice, Capabilities, CodesChunk, EncodeJob, Job
from gateway.engine.client import EngineClient, EngineOutput, EngineStatus, SpeechOutput, State, Work

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
    min_letter_s=0.0,  # its audio has the same length for every text
)

Script = Callable[[Job], AsyncGenerator[SpeechOutput, None]]


async def two_chunks(job: Job) -> AsyncGenerator[AudioChunk, None]:
    """Yield 0.2 s of seeded noise in two chunks."""
    rng = np.random.default_rng(job.seed)
    for _ in range(2):
        yield AudioChunk(job.id, rng.uniform(-0.5, 0.5, 2400).astype(np.float32))
        await asyncio.sleep(0)


class FakeEngine(EngineClient):
    """Runs ``script`` for every job and records the jobs.

    :ivar jobs: every submitted job.
    :ivar conversions: every codec job, and every job that returns codes; none unless the capabilities have a codec.
    :ivar aborted: IDs of jobs whose generator was closed early.
    :ivar closed: whether it was closed; a closed engine cannot load again.
    :param loads_to: state after a load.
    :param last_load: capabilities of a load by an earlier process.
    :param error: the status's error message.
    """

    def __init__(
        self,
        name: str = "fake",
        script: Script = two_chunks,
        capabilities: Capabilities = FAKE_CAPABILITIES,
        state: State = State.READY,
        loads_to: State = State.LOADING,
        error: str | None = None,
        last_load: Capabilities | None = None,
    ):
        self.name = name
        self.script = script
        self._capabilities = capabilities
        self.state = state
        self.loads_to = loads_to
        self.error = error
        self.closed = False
        self._last_load = last_load
        self._known = False
        self.jobs: list[Job] = []
        self.conversions: list[Work] = []
        self.aborted: list[str] = []

    def status(self) -> EngineStatus:
        """Return the current ``state``; capabilities are known once the engine has been ready."""
        self._known = self._known or self.state is State.READY
        return EngineStatus(self.state, self._capabilities if self._known else None, error=self.error)

    @property
    def last_load(self) -> Capabilities | None:
        """See :class:`EngineClient`."""
        return self.capabilities or self._last_load

    async def submit(self, job: Job) -> AsyncGenerator[SpeechOutput, None]:
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

    def convert(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        """See :class:`EngineClient`; yields zeros of the right length, and random codes for a text."""
        return self._converted(job) if self._capabilities.codec else super().convert(job)

    async def _converted(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        codec = self._capabilities.codec
        if codec is None or self.state is not State.READY:
            self.ensure_loading()
            raise self.unavailable_error()
        self.conversions.append(job)
        if isinstance(job, Job):
            codes = np.random.default_rng(job.seed).integers(codec.codebook_size, size=(codec.codebooks, len(job.text)))
            yield CodesChunk(job.id, codes)
        elif isinstance(job, EncodeJob):
            frames = -(-len(job.audio) // codec.samples_per_frame)
            yield CodesChunk(job.id, np.zeros((codec.codebooks, frames), np.int64))
        else:
            yield AudioChunk(job.id, np.zeros(job.codes.shape[1] * codec.samples_per_frame, np.float32))

    def load(self) -> None:
        """Change from unloaded to ``loads_to``: by default loading, until the test sets another state."""
        if self.state is State.UNLOADED and not self.closed:
            self.state = self.loads_to

    async def unload(self) -> None:
        """Unload without waiting."""
        self.state = State.UNLOADED

    async def close(self) -> None:
        """Close without waiting."""
        self.closed = True
        self.state = State.UNLOADED
