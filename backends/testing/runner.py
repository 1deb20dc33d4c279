"""A loaded engine under test, driven through its public interface only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backends.base import (
    Audio,
    AudioChunk,
    Codes,
    CodesChunk,
    DecodeJob,
    EncodeJob,
    Event,
    Failed,
    Finished,
    Job,
    Trace,
)
from backends.testing.profile import EngineProfile


@dataclass
class JobOutput:
    """Everything the engine returned for one job.

    :ivar chunks: its audio chunks, in order.
    :ivar codes: its code chunks, in order.
    :ivar traces: its traces, in order.
    :ivar chunk_steps: for each chunk, the number of the step that returned it.
    :ivar ended: its last event; None while it is active.
    """

    job_id: str
    chunks: list[AudioChunk] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    chunk_steps: list[int] = field(default_factory=list)
    ended: Finished | Failed | None = None

    @property
    def audio(self) -> Audio:
        """The whole audio, shape (N,)."""
        return np.concatenate([chunk.samples for chunk in self.chunks]) if self.chunks else np.zeros(0, np.float32)


class EngineRunner:
    """Runs jobs on an engine and asserts the event protocol at every step.

    The protocol: an event belongs to a job that was admitted, is not aborted and has not ended.
    """

    def __init__(self, profile: EngineProfile):
        self.profile = profile
        self.engine = profile.plugin(profile.config).load()
        self.capabilities = self.engine.capabilities
        self.steps = 0
        self.longest_call_s = 0.0
        self._active: dict[str, JobOutput] = {}

    def job(self, job_id: str, text: str | None = None, **fields: Any) -> Job:
        """A job with the profile's text; engines that require a reference get one."""
        reference = self.profile.reference if self.capabilities.cloning == "required" else None
        job = Job(job_id, self.profile.text if text is None else text, seed=1, reference=reference)
        return replace(job, **fields)

    def add(self, job: Job) -> JobOutput:
        """Admit a job and return where its output is collected."""
        started_s = time.monotonic()
        self.engine.add(job)
        self._note_duration(started_s)
        return self._admit(job.id)

    def convert(self, job: EncodeJob | DecodeJob) -> JobOutput:
        """Admit a codec job and return where its output is collected."""
        self.engine.convert(job)
        return self._admit(job.id)

    def abort(self, job_id: str) -> None:
        """Abort a job; any later event of it is an error."""
        self.engine.abort(job_id)
        self._active.pop(job_id, None)

    def step(self) -> Sequence[Event]:
        """Step the engine once and collect the events.

        :raises AssertionError: if an event breaks the protocol.
        """
        started_s = time.monotonic()
        events = self.engine.step()
        self._note_duration(started_s)
        self.steps += 1
        for event in events:
            output = self._active.get(event.job_id)
            assert output is not None, f"{_describe(event)} came after the job had ended, or without the job"
            match event:
                case AudioChunk():
                    output.chunks.append(event)
                    output.chunk_steps.append(self.steps)
                case CodesChunk(codes=codes):
                    output.codes.append(codes)
                case Trace():
                    output.traces.append(event)
                case Finished() | Failed():
                    output.ended = event
                    del self._active[event.job_id]
        return events

    def drain(self) -> None:
        """Step until every job has ended.

        :raises AssertionError: if that takes more than ``max_steps`` steps.
        """
        for _ in range(self.profile.max_steps):
            if not self._active:
                return
            self.step()
        raise AssertionError(f"jobs {sorted(self._active)} did not end within {self.profile.max_steps} steps")

    def run(self, *jobs: Job, late: Mapping[int, Job] | None = None) -> dict[str, Audio]:
        """Run jobs together and return their audio by ID.

        :param late: jobs that are added after that many steps.
        :raises AssertionError: if a job fails.
        """
        outputs = [self.add(job) for job in jobs]
        for steps in range(max(late or {}, default=-1) + 1):
            if late and steps in late:
                outputs.append(self.add(late[steps]))
            self.step()
        self.drain()
        for output in outputs:
            assert isinstance(output.ended, Finished), f"job {output.job_id!r} ended with {output.ended}"
        return {output.job_id: output.audio for output in outputs}

    def same(self, found: Audio, expected: Audio) -> bool:
        """Whether two signals are equal within the profile's tolerance."""
        return found.shape == expected.shape and bool(np.allclose(found, expected, rtol=0, atol=self.profile.tolerance))

    def reset(self) -> None:
        """Abort active jobs, so that a failed test does not affect the next one."""
        for job_id in list(self._active):
            self.abort(job_id)
        self.longest_call_s = 0.0

    def _admit(self, job_id: str) -> JobOutput:
        assert job_id not in self._active, f"job {job_id!r} is active already"
        output = self._active[job_id] = JobOutput(job_id)
        return output

    def _note_duration(self, started_s: float) -> None:
        self.longest_call_s = max(self.longest_call_s, time.monotonic() - started_s)


def _describe(event: Event) -> str:
    """The event without its samples or codes."""
    return f"{type(event).__name__} of job {event.job_id!r}"
