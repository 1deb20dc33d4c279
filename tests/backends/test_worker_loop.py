"""The worker's loop, with an in-memory channel."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from backends import wire
from backends.base import AudioChunk, DecodeJob, EncodeJob, EngineConfig, Failed, Finished, Job
from backends.registry import GROUP, Registry
from backends.tone.engine import ToneEngine
from backends.wire import Message, ToWorker
from backends.worker import loop
from backends.worker.channel import Channel


class Script(Channel):
    """A channel that returns one prepared batch per call, then a shutdown."""

    def __init__(self, *batches: list[ToWorker]):
        self.batches = deque(batches)
        self.sent: list[Message] = []
        self.waits: list[float] = []

    def receive(self, wait_s: float) -> list[ToWorker]:
        self.waits.append(wait_s)
        if self.batches:
            return self.batches.popleft()
        return [wire.Shutdown()] if wait_s else []

    def send(self, messages: Sequence[Message]) -> None:
        for frame in [wire.encode(messages)] if messages else []:
            self.sent += wire.decode_from_worker(frame)

    def close(self) -> None:
        pass


def configure(**model: object) -> list[ToWorker]:
    return [wire.Configure("tone", EngineConfig("tone", model=model))]


def job(job_id: str, text: str = "four", **options: object) -> Job:
    return Job(job_id, text, seed=1, options=options)


def test_job_is_synthesized_and_shutdown_ends_the_loop() -> None:
    channel = Script(configure(), [job("a")])
    assert loop.serve(channel, Registry()) == 0
    story = [type(message).__name__ for message in channel.sent]
    assert story[0] == "Hello"
    assert story.index("Capabilities") < story.index("AudioChunk") < story.index("Finished")


def test_loop_blocks_on_the_inbox_only_when_idle() -> None:
    channel = Script(configure(), [job("a", "text" * 4)])
    loop.serve(channel, Registry())
    while_working = channel.waits[2:-1]
    assert while_working
    assert set(while_working) == {0.0}
    assert channel.waits[-1] > 0


def test_invalid_job_is_rejected_and_the_next_one_synthesized() -> None:
    channel = Script(configure(), [job("bad", nope=1), job("good")])
    loop.serve(channel, Registry())
    (rejected,) = [message for message in channel.sent if isinstance(message, wire.JobRejected)]
    assert (rejected.job_id, rejected.param) == ("bad", "options.nope")
    assert Finished("good") in channel.sent


def test_codec_job_without_codec_is_rejected() -> None:
    sound = EncodeJob("bad", np.zeros(9, np.float32), 8000)
    codes = DecodeJob("worse", np.zeros((1, 1), np.int64))
    channel = Script(configure(), [sound, codes, job("good")])
    loop.serve(channel, Registry())
    rejected = [message.job_id for message in channel.sent if isinstance(message, wire.JobRejected)]
    assert rejected == ["bad", "worse"]
    assert Finished("good") in channel.sent


def test_failing_job_fails_alone() -> None:
    channel = Script(configure(), [job("bad", "text" * 9, fail_at=1), job("good", "text" * 9)])
    loop.serve(channel, Registry())
    assert [message.job_id for message in channel.sent if isinstance(message, Failed)] == ["bad"]
    assert Finished("good") in channel.sent


def test_aborted_job_sends_no_further_messages() -> None:
    channel = Script(configure(), [job("a", "text" * 50)], [], [wire.AbortJob("a"), wire.AbortJob("never heard of")])
    assert loop.serve(channel, Registry()) == 0
    assert Finished("a") not in channel.sent
    assert len([message for message in channel.sent if isinstance(message, AudioChunk)]) == 2


def test_fatal_fault_is_reported_and_ends_the_worker() -> None:
    channel = Script(configure(), [job("a", fatal_at=0)])
    assert loop.serve(channel, Registry()) == 1
    assert channel.sent[-1] == wire.Dying("requested by the option fatal_at")


class Buggy(ToneEngine):
    def add(self, job: Job) -> None:
        super().add(job)
        if job.text == "add":
            raise ZeroDivisionError("in add")

    def step(self):  # type: ignore[no-untyped-def]
        if any(voice.job.text == "step" for voice in self._jobs.values()):
            raise ZeroDivisionError("in step")
        return super().step()


@pytest.fixture
def buggy(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr("backends.tone.engine.Buggy", Buggy, raising=False)
    return Registry([EntryPoint("tone", "backends.tone.engine:Buggy", GROUP)])


def test_exception_in_add_fails_that_job_only(buggy: Registry) -> None:
    channel = Script(configure(), [job("bad", "add"), job("good")])
    assert loop.serve(channel, buggy) == 0
    assert Failed("bad", "ZeroDivisionError: in add") in channel.sent
    assert Finished("good") in channel.sent


def test_exception_in_step_ends_the_worker(buggy: Registry) -> None:
    channel = Script(configure(), [job("bad", "step")])
    assert loop.serve(channel, buggy) == 1
    assert channel.sent[-1] == wire.Dying("ZeroDivisionError: in step")


@pytest.mark.parametrize(
    ("batch", "complaint"),
    [
        ([wire.Configure("nothing", EngineConfig("x"))], "no engine plugin 'nothing'"),
        (configure(fail_load=True), "fail_load is set"),
        (configure(lod_s=1), "engines.tone.model.lod_s: unknown key"),
        ([wire.Shutdown()], "sent no configuration"),
    ],
)
def test_load_failure_is_reported_and_ends_the_worker(batch: list[ToWorker], complaint: str) -> None:
    channel = Script(batch)
    assert loop.serve(channel, Registry()) == 1
    last = channel.sent[-1]
    assert isinstance(last, wire.Dying)
    assert complaint in last.message


def test_loading_reports_progress() -> None:
    channel = Script(configure(load_s=0.5))
    loop.serve(channel, Registry())
    done = [message.done for message in channel.sent if isinstance(message, wire.Loading)]
    assert done == sorted(done)
    assert len(done) >= 2
