"""Ends and interruptions of live sessions in unfavorable moments."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.live_text import TEXT, proportional, started
from support.socket import Socket

from backends.base import Audio, AudioChunk, Job
from gateway.audio.encode import Encoder
from gateway.engine.fake import FakeEngine
from gateway.errors import SynthesisFailed
from gateway.service.live import tasks as live_tasks
from gateway.service.live.events import EncodedAudio, Interrupted, LiveEvent, SessionFinished
from gateway.service.live.session import LiveSession
from gateway.service.live.tasks import cancel_and_wait
from gateway.service.request import SpeechRequest


async def slow_to_stop(job: Job) -> AsyncGenerator[AudioChunk, None]:
    """Endless audio of an engine that aborts jobs slowly."""
    try:
        while True:
            yield AudioChunk(job.id, np.full(2400, 0.1, np.float32))
            await asyncio.sleep(0.001)
    finally:
        await asyncio.sleep(0.5)


async def opened(gateway: InMemory, fmt: str = "flac") -> LiveSession:
    session: LiveSession = await gateway.app.state.services.live.open(SpeechRequest(text="-", format=fmt, seed=1))
    return session


async def test_closing_a_speech_can_be_cancelled(tmp_path: Path) -> None:
    let_go = []

    async def noted(job: Job) -> AsyncGenerator[AudioChunk, None]:
        try:
            async for chunk in slow_to_stop(job):
                yield chunk
        finally:
            await asyncio.sleep(0.2)
            let_go.append(job.id)

    gateway = in_memory(tmp_path, [FakeEngine(script=noted)])
    speech = await gateway.app.state.services.synthesizer.open(SpeechRequest(text="Hello.", stream=True))
    closing = asyncio.create_task(speech.aclose())
    await asyncio.sleep(0.05)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert let_go == []
    await speech.aclose()  # closing twice does not interrupt the abort
    assert let_go == ["1"]
    assert gateway.metric("voxgate_requests_total", engine="fake", outcome="cancelled") == 1


async def test_closing_a_failed_speech_logs_nothing(tmp_path: Path) -> None:
    async def breaks(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.zeros(2400, np.float32))
        raise SynthesisFailed("out of breath")

    gateway = in_memory(tmp_path, [FakeEngine(script=breaks)])
    speech = await gateway.app.state.services.synthesizer.open(SpeechRequest(text="Hello.", stream=True))
    await asyncio.sleep(0.01)
    await speech.aclose()


async def test_session_ends_while_an_interruption_waits_for_the_engine(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=slow_to_stop)], limits={"stall_s": 0.3})
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        socket.send("text", text=TEXT * 5)
        await asyncio.sleep(0.1)  # the stall is detected during the interruptions
        for _ in range(3):
            socket.send("interrupt")
        await asyncio.wait_for(asyncio.shield(socket.task), 5)
        assert gateway.metric("voxgate_live_ended_total", outcome="client_stalled") == 1
    assert gateway.metric("voxgate_live_sessions") == 0
    assert gateway.app.state.services.synthesizer._backlog.used_bytes == 0


async def test_interruption_that_waits_for_the_reader_can_be_cancelled(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    async with await opened(gateway) as session:
        await session.interrupt()  # no event is emitted
        second = asyncio.create_task(session.interrupt())
        await asyncio.sleep(0.02)
        assert not second.done()
        second.cancel()
        await asyncio.wait({second}, timeout=1)
        assert second.cancelled()


async def test_task_that_swallows_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_tasks, "_RETRY_S", 0.02)
    swallowed = []

    async def stubborn() -> None:
        while len(swallowed) < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed.append(1)
        await asyncio.sleep(60)

    async def fails() -> None:
        raise ValueError("nobody's business")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel_and_wait(*tasks), 1)
    assert tasks[0].cancelled()
    await cancel_and_wait()


async def test_cancelled_shutdown_still_waits_for_its_tasks() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(1)

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    ending = asyncio.create_task(cancel_and_wait(task))
    await asyncio.sleep(0.01)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert ended == [1]


@pytest.mark.parametrize("ticks", range(12))
async def test_interruption_while_the_encoder_finishes_keeps_the_file_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticks: int
) -> None:
    finish, finished = Encoder.finish, threading.Event()

    def watched(encoder: Encoder) -> bytes:
        data = finish(encoder)
        finished.set()
        return data

    monkeypatch.setattr(Encoder, "finish", watched)
    gateway = in_memory(tmp_path)
    async with await opened(gateway) as session:
        session.feed("Hi")
        session.end()
        events: list[LiveEvent] = []

        async def take() -> None:
            async for event in session.events():
                events.append(event)
                if len(events) == 4:
                    await finish_done.wait()

        finish_done = asyncio.Event()
        taking = asyncio.create_task(take())
        while not finished.is_set():
            await asyncio.sleep(0)
        time.sleep(0.005)  # the event loop is notified several ticks later
        for _ in range(ticks):
            await asyncio.sleep(0)
        await session.interrupt()
        finish_done.set()
        await asyncio.wait_for(taking, 5)
    assert [type(event) for event in events[-2:]] == [Interrupted, SessionFinished]
    assert b"".join(event.data for event in events if isinstance(event, EncodedAudio)).count(b"fLaC") == 1


async def test_interruption_drops_unsent_events_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Encoder.write

    def slowly(encoder: Encoder, samples: Audio) -> bytes:
        time.sleep(0.1)
        return write(encoder, samples)

    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)])
    async with await opened(gateway) as session:
        session.feed(TEXT)
        while len(session._outbox) < 4:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(Encoder, "write", slowly)
        interrupting = asyncio.create_task(session.interrupt())
        await asyncio.sleep(0)
        events = []
        async for event in session.events():
            events.append(event)
            if isinstance(event, Interrupted):
                break
        await interrupting
    assert [type(event) for event in events] == [EncodedAudio, EncodedAudio, Interrupted]
    headers = [event for event in events if isinstance(event, EncodedAudio)]
    assert [header.samples for header in headers] == [0, 0]
    assert headers[0].data.startswith(b"fLaC")  # the header, once
    assert b"fLaC" not in headers[1].data


async def test_interruption_keeps_a_pending_error(tmp_path: Path) -> None:
    async def breaks(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.full(2400, 0.1, np.float32))
        raise SynthesisFailed("out of breath")

    gateway = in_memory(tmp_path, [FakeEngine(script=breaks)])
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        await asyncio.sleep(0.1)
        socket.send("interrupt")
        await asyncio.sleep(0.05)
        events, _ = await socket.rest()
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["message"] == "out of breath"
    assert gateway.metric("voxgate_live_ended_total", outcome="synthesis_failed") == 1


async def test_long_error_fits_into_a_message(tmp_path: Path) -> None:
    async def breaks(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise SynthesisFailed("out of " + "breath " * 10_000)
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=breaks)])
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        events, _ = await socket.rest()
    assert events[-1]["error"]["message"].startswith("out of breath")
    assert len(events[-1]["error"]["message"]) <= 1000
