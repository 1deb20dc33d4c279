"""Cancellation during work in threads: the work ends before the cancellation is raised."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import in_memory
from support.socket import Socket

from backends.base import Audio, AudioChunk, Job
from gateway.audio.encode import Encoder
from gateway.audio.threads import in_thread, start_in_thread, wait_until_done
from gateway.engine.fake import FakeEngine


class EncoderSpy:
    """Slows down every encoder, and counts those that are closed while a thread writes to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.entered = threading.Event()
        self.closed = 0
        self.closed_in_use = 0
        self._in_use: set[int] = set()
        write, close = Encoder.write, Encoder.close

        def slow_write(encoder: Encoder, samples: Audio) -> bytes:
            self._in_use.add(id(encoder))
            try:
                if len(samples):
                    self.entered.set()
                    time.sleep(0.2)
                return write(encoder, samples)
            finally:
                self._in_use.discard(id(encoder))

        def counted_close(encoder: Encoder) -> None:
            self.closed += 1
            self.closed_in_use += id(encoder) in self._in_use
            close(encoder)

        monkeypatch.setattr(Encoder, "write", slow_write)
        monkeypatch.setattr(Encoder, "close", counted_close)

    async def until_entered(self) -> None:
        while not self.entered.is_set():
            await asyncio.sleep(0.005)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> EncoderSpy:
    return EncoderSpy(monkeypatch)


async def test_cancellation_is_raised_when_the_thread_has_ended() -> None:
    ended = threading.Event()

    def work() -> int:
        time.sleep(0.1)
        ended.set()
        return 5

    assert await in_thread(work) == 5
    ended.clear()
    task = asyncio.create_task(in_thread(work))
    for _ in range(4):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_error_in_a_thread_is_raised_unless_cancelled() -> None:
    def fails() -> None:
        time.sleep(0.02)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await in_thread(fails)
    task = asyncio.create_task(in_thread(fails))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("ticks", range(5))
async def test_no_cancellation_comes_between_completion_and_next_statement(ticks: int) -> None:
    noted = []

    async def note() -> None:
        future = start_in_thread(lambda: "done")
        cancelled = await wait_until_done(future)
        noted.append(future.result())
        if cancelled is not None:
            raise cancelled

    task = asyncio.create_task(note())
    await asyncio.sleep(0)
    task.cancel()
    time.sleep(0.02)  # the thread is done, and the event loop not yet notified
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert noted == ["done"]


@pytest.mark.parametrize("stream", [True, False])
async def test_encoder_is_closed_after_its_thread_when_a_client_disconnects(
    tmp_path: Path, spy: EncoderSpy, stream: bool
) -> None:
    gateway = in_memory(tmp_path)
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    body = json.dumps({"text": "x", "format": "mp3", "stream": stream}).encode()
    incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})

    async def send(_message: Any) -> None:
        pass

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/tts",
        "raw_path": b"/tts",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("gateway", 80),
        "state": {},
    }
    request = asyncio.create_task(gateway.app(scope, incoming.get, send))
    await spy.until_entered()
    incoming.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(request, 5)
    assert (spy.closed, spy.closed_in_use) == (1, 0)


async def test_encoder_is_closed_after_its_thread_when_a_session_is_cancelled_twice(
    tmp_path: Path, spy: EncoderSpy
) -> None:
    async def endless(job: Job) -> AsyncGenerator[AudioChunk, None]:
        while True:
            yield AudioChunk(job.id, np.full(2400, 0.1, np.float32))
            await asyncio.sleep(0.001)

    gateway = in_memory(tmp_path, [FakeEngine(script=endless)])
    sessions = gateway.app.state.services.live
    async with Socket(gateway.app) as socket:
        socket.send("start", format="mp3")
        await socket.next()
        socket.send("text", text="Hello there, my friends of old. And")
        await spy.until_entered()
        socket.send("interrupt")
        await asyncio.sleep(0.02)
        sessions.draining.set()
        sessions.drain_expired.set()
        await asyncio.wait_for(socket.task, 5)
    assert (spy.closed, spy.closed_in_use) == (1, 0)
