"""``/v1/tts/live``: the Fish Audio live protocol."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import ormsgpack
import pytest
from support.app import InMemory, in_memory
from support.live_text import RATE, pcm, proportional
from support.socket import Socket

from backends.base import Job
from gateway.engine.client import State
from gateway.engine.fake import FakeEngine

PATH = "/v1/tts/live"


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=proportional), FakeEngine("other", script=proportional)])


def send(socket: Socket, event: str, **fields: Any) -> None:
    socket.send_raw(ormsgpack.packb({"event": event, **fields}))


async def rest(socket: Socket) -> tuple[list[dict[str, Any]], bytes]:
    """All events except audio up to the close frame, and the audio."""
    events, audio = [], b""
    while (message := await socket.next_raw()) is not None:
        assert isinstance(message, bytes)
        event = ormsgpack.unpackb(message)
        if event["event"] == "audio":
            audio += event["audio"]
        else:
            events.append(event)
    return events, audio


async def test_incremental_text_becomes_audio(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH, {"model": "other"}) as socket:
        request = {"text": "", "format": "pcm", "reference_id": "grace", "prosody": {"speed": 1.5, "volume": 0}}
        send(socket, "start", request=request)
        for text in ("The first sen", "tence. ", "The second."):
            send(socket, "text", text=text)
        send(socket, "stop")
        events, audio = await rest(socket)
    assert events == [{"event": "finish", "reason": "stop"}]
    assert len(pcm(audio)) == (19 + 11) * RATE // 20
    assert socket.code == 1000
    jobs: list[Job] = next(iter(e.client for e in gateway.app.state.services.engines if e.name == "other")).jobs
    assert [(job.text, job.voice, job.speed) for job in jobs] == [
        ("The first sentence.", "grace", 1.5),
        ("The second.", "grace", 1.5),
    ]
    assert gateway.engine.jobs == []


async def test_start_may_have_text_and_default_format_is_mp3(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "Hello there."})
        send(socket, "flush")
        send(socket, "stop")
        events, audio = await rest(socket)
    assert events == [{"event": "finish", "reason": "stop"}]
    with av.open(io.BytesIO(audio)) as container:
        assert container.format.name == "mp3"


@pytest.mark.parametrize("nothing", [None, ""])
async def test_null_and_empty_fields_mean_absent(gateway: InMemory, nothing: str | None) -> None:
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "Hello there.", "format": nothing, "reference_id": nothing})
        send(socket, "stop")
        events, audio = await rest(socket)
    assert events == [{"event": "finish", "reason": "stop"}]
    with av.open(io.BytesIO(audio)) as container:
        assert container.format.name == "mp3"


async def test_ignored_fields_are_reported_in_an_event(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH) as socket:
        send(
            socket,
            "start",
            request={"text": "", "format": "pcm", "top_p": 0.5, "early_stop_threshold": 1.0, "streaming": False},
        )
        send(socket, "stop")
        events, _ = await rest(socket)
    assert events[0]["event"] == "ignored"
    assert set(events[0]["fields"]) == {"top_p", "early_stop_threshold", "streaming"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"event": "text", "text": "x"}, "type: the first message must be a start"),
        ({"event": "sing"}, "event: must be one of: start, text, flush, stop"),
        ({"event": "start"}, "request: must be a map"),
        ({"event": "start", "request": {"reference_id": "nobody"}}, "reference_id: unknown voice 'nobody'"),
        ({"event": "start", "request": {"prosody": {"speed": 9}}}, "prosody.speed: "),
        ({"event": "start", "request": {"format": "midi"}}, "format: unknown audio format 'midi'"),
        ([], "a message must be a map"),
    ],
)
async def test_error_finishes_the_session(gateway: InMemory, message: Any, expected: str) -> None:
    async with Socket(gateway.app, PATH) as socket:
        socket.send_raw(ormsgpack.packb(message))
        (event,), _ = await rest(socket)
    assert (event["event"], event["reason"]) == ("finish", "error")
    assert event["message"].startswith(expected)
    assert socket.code == 1008


@pytest.mark.parametrize("message", ["{}", b"\xc1", b""])
async def test_invalid_messagepack_finishes_the_session(gateway: InMemory, message: str | bytes) -> None:
    async with Socket(gateway.app, PATH) as socket:
        socket.send_raw(message)
        (event,), _ = await rest(socket)
    assert event["reason"] == "error"


async def test_unknown_model_and_unloaded_engine_finish_the_session(gateway: InMemory) -> None:
    for model, status in (("gpt-9", 404), ("fake", 503)):
        gateway.engine.state = State.LOADING
        gateway.engine._known = False
        async with Socket(gateway.app, PATH, {"model": model}) as socket:
            send(socket, "start", request={"text": ""})
            (event,), _ = await rest(socket)
        assert event["status"] == status


async def test_rejected_handshake_has_this_apis_envelope(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, settings={"live": {"sessions": 1}})
    async with Socket(gateway.app, PATH), Socket(gateway.app, PATH) as second:
        assert second.denial is not None
        status, headers, body = second.denial
        assert (status, set(body), headers["retry-after"]) == (503, {"status", "message"}, "5")
    async with Socket(gateway.app, PATH, {"origin": "https://evil.example"}) as foreign:
        assert foreign.denial is not None
        assert (foreign.denial[0], foreign.denial[2]["status"]) == (403, 403)
    assert gateway.metric("voxgate_errors_total", type="overloaded") == 1


async def test_shutdown_is_reported_as_an_error(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "", "format": "pcm"})
        send(socket, "text", text="The first sentence. The second is not comp")
        while not gateway.engine.jobs:
            await socket.next_raw()
        await gateway.app.state.services.live.drain(5)
        events, _ = await rest(socket)
    assert [(event["event"], event["reason"]) for event in events] == [("finish", "error")]
    assert socket.code == 1012
