"""Requests to an engine that is not loaded wait for it, in every API that speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.socket import Socket

from backends.base import AudioChunk, CodecInfo, Job
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine

CODEC = replace(FAKE_CAPABILITIES, codec=CodecInfo(2, 10, 100))
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("/tts", {"text": "hi"}),
    "native, streamed": ("/tts", {"text": "hi", "stream": True}),
    "native, base64": ("/tts", {"text": "hi", "response": "base64"}),
    "text stage": ("/v1/text", {"text": "hi"}),
    "OpenAI": ("/v1/audio/speech", {"model": "tts-1", "voice": "alloy", "input": "hi"}),
    "Fish Audio": ("/v1/tts", {"text": "hi"}),
    "codec": ("/v1/vqgan/decode", {"tokens": [[[1, 2], [3, 4]]]}),
    "classic": ("/v1/models/default/invoke", {"text": "hi"}),
    "classic, April": ("/v1/invoke", {"text": "hi"}),
    "SageMaker": ("/invocations", {"text": "hi"}),
}
everywhere = pytest.mark.parametrize("name", REQUESTS)


def asleep(folder: Path, engine: FakeEngine | None = None, **settings: Any) -> InMemory:
    engine = engine or FakeEngine(capabilities=CODEC, state=State.UNLOADED)
    settings = {"load_wait_s": 30, "fish_api": {"engine": engine.name}, **settings}
    return in_memory(folder, [engine], **settings)


async def waiting(gateway: InMemory, count: int = 1) -> None:
    """Wait until this number of requests waits for the engine."""
    async with asyncio.timeout(5):
        while (await gateway.client.get("/v1/engines/fake")).json()["queue"]["waiting"] != count:
            await asyncio.sleep(0.01)


def start(gateway: InMemory, name: str = "native") -> asyncio.Task[Any]:
    path, body = REQUESTS[name]
    return asyncio.create_task(gateway.client.post(path, json=body))


@everywhere
async def test_request_waits_until_the_engine_is_loaded(tmp_path: Path, name: str) -> None:
    gateway = asleep(tmp_path)
    asking = start(gateway, name)
    await waiting(gateway)
    assert gateway.engine.state is State.LOADING
    gateway.engine.state = State.READY
    response = await asking
    assert response.status_code == 200, response.text
    await waiting(gateway, 0)


@everywhere
async def test_without_a_wait_the_request_is_refused_at_once(tmp_path: Path, name: str) -> None:
    gateway = asleep(tmp_path, load_wait_s=0)
    response = await start(gateway, name)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert gateway.engine.state is State.LOADING


@everywhere
async def test_failed_load_ends_the_wait_with_its_reason(tmp_path: Path, name: str) -> None:
    gateway = asleep(tmp_path)
    asking = start(gateway, name)
    await waiting(gateway)
    gateway.engine.error, gateway.engine.state = "no weights", State.FAILED
    response = await asking
    assert response.status_code == 503
    assert "engine 'fake' is failed: no weights" in response.text
    assert int(response.headers["retry-after"]) >= 1
    again = await start(gateway, name)
    assert (again.status_code, "no weights" in again.text) == (503, True)


@everywhere
@pytest.mark.parametrize("settings", [{"load_wait_s": 0.1}, {"limits": {"deadline_s": 0.1}}], ids=["wait", "deadline"])
async def test_wait_ends_in_time_with_retry_after(tmp_path: Path, name: str, settings: dict[str, Any]) -> None:
    gateway = asleep(tmp_path, **settings)
    async with asyncio.timeout(5):
        response = await start(gateway, name)
    assert response.status_code == 503
    assert "is loading" in response.text
    assert int(response.headers["retry-after"]) >= 1


async def test_wait_counts_toward_the_deadline(tmp_path: Path) -> None:
    async def slow(job: Job) -> AsyncGenerator[AudioChunk, None]:
        await asyncio.sleep(0.6)
        yield AudioChunk(job.id, np.zeros(100, np.float32))

    for name in ("native", "OpenAI", "Fish Audio", "classic"):
        engine = FakeEngine(script=slow, capabilities=CODEC, state=State.UNLOADED)
        gateway = asleep(tmp_path / name, engine, limits={"deadline_s": 1.0})
        asking = start(gateway, name)
        await asyncio.sleep(0.6)
        engine.state = State.READY
        assert (await asking).status_code == 504, name


@pytest.mark.parametrize("max_queue", [0, 1, 3])
async def test_waiting_requests_are_bounded_by_the_queue(tmp_path: Path, max_queue: int) -> None:
    gateway = asleep(tmp_path, max_queue=max_queue)
    places = max(1, max_queue)
    asking = [start(gateway) for _ in range(places)]
    await waiting(gateway, places)
    refused = await start(gateway)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert refused.json()["error"]["type"] == "queue_full"
    assert f"{places} requests wait for it" in refused.json()["error"]["message"]
    gateway.engine.state = State.READY
    assert [(await task).status_code for task in asking] == [200] * places


@everywhere
async def test_disconnect_ends_the_wait(tmp_path: Path, name: str) -> None:
    gateway = asleep(tmp_path)
    path, body = REQUESTS[name]
    gone = asyncio.Event()
    messages = iter([{"type": "http.request", "body": msgspec.json.encode(body), "more_body": False}])

    async def receive() -> Any:
        if (message := next(messages, None)) is not None:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": headers}
    serving = asyncio.create_task(gateway.app({**scope, "query_string": b"", "root_path": ""}, receive, send))
    await waiting(gateway)
    gone.set()
    await waiting(gateway, 0)
    await serving


async def test_request_waits_for_an_engine_that_was_unloaded(tmp_path: Path) -> None:
    gateway = asleep(tmp_path, FakeEngine(capabilities=CODEC))
    assert (await start(gateway)).status_code == 200
    await gateway.client.post("/v1/engines/fake/unload")
    asking = start(gateway)
    await waiting(gateway)
    gateway.engine.state = State.READY
    assert (await asking).status_code == 200


@pytest.mark.parametrize("path", ["/tts/stream", "/v1/tts/live"])
async def test_live_session_waits_and_keeps_the_text_that_arrives_meanwhile(tmp_path: Path, path: str) -> None:
    gateway = asleep(tmp_path)
    async with Socket(gateway.app, path) as socket:
        for message in _live(path):
            socket.send_raw(message)
        await waiting(gateway)
        gateway.engine.state = State.READY
        last = b'"finished"' if path == "/tts/stream" else b"finish"
        while (message := await socket.next_raw()) is not None:
            if last in (message.encode() if isinstance(message, str) else message):
                break
        assert message is not None
    assert [job.text for job in gateway.engine.jobs] == ["Hello there."]


@pytest.mark.parametrize("path", ["/tts/stream", "/v1/tts/live"])
async def test_disconnect_ends_the_wait_of_a_live_session(tmp_path: Path, path: str) -> None:
    gateway = asleep(tmp_path)
    async with Socket(gateway.app, path) as socket:
        for message in _live(path):
            socket.send_raw(message)
        await waiting(gateway)
        socket.hang_up()
        await waiting(gateway, 0)
    assert gateway.metric("voxgate_live_ended_total", outcome="client_gone") == 1


def _live(path: str) -> list[str | bytes]:
    if path == "/tts/stream":
        return ['{"type":"start"}', '{"type":"text","text":"Hello there."}', '{"type":"end"}']
    events: list[dict[str, Any]] = [
        {"event": "start", "request": {"text": ""}},
        {"event": "text", "text": "Hello there."},
        {"event": "stop"},
    ]
    return [msgspec.msgpack.encode(event) for event in events]
