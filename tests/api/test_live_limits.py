"""``/tts/stream``: refusals, errors, limits, lost clients and shutdown."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.live_text import TEXT, of, proportional, started
from support.socket import Socket

from backends.base import AudioChunk, Job
from backends.errors import InvalidJob
from backends.text import Alphabet
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.errors import SynthesisFailed
from gateway.service.live.sessions import LiveSessions


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=proportional)])


async def failed(socket: Socket, code: int = 1008) -> dict[str, Any]:
    """The error that ends a session, checked against the close frame."""
    events, _ = await socket.rest()
    assert events[-1]["type"] == "error", events
    assert set(events[-1]["error"]) == {"type", "message", "param", "request_id"}
    assert (socket.code, socket.reason) == (code, events[-1]["error"]["type"])
    return events[-1]


@pytest.mark.parametrize(
    ("message", "type_", "param"),
    [
        ('{"type": "text", "text": "x"}', "invalid_request", "type"),
        ('{"type": "sing"}', "invalid_request", "type"),
        ('{"type": 5}', "invalid_request", "type"),
        ("{}", "invalid_request", "type"),
        ("[]", "invalid_request", None),
        ("{", "invalid_request", None),
        (b"\xff\x00", "invalid_request", None),
        ('{"type": "start", "text": "x"}', "invalid_request", "text"),
        ('{"type": "start", "stream": true}', "invalid_request", "stream"),
        ('{"type": "start", "colour": 1}', "invalid_request", "colour"),
        ('{"type": "start", "speed": "1"}', "invalid_request", "speed"),
        ('{"type": "start", "speed": 9}', "invalid_request", "speed"),
        ('{"type": "start", "format": "midi"}', "invalid_request", "format"),
        ('{"type": "start", "format": "opus", "sample_rate": 22050}', "invalid_request", "sample_rate"),
        ('{"type": "start", "language": "zh"}', "invalid_request", "language"),
        ('{"type": "start", "options": {"depth": 99}}', "invalid_request", "options.depth"),
        ('{"type": "start", "engine": "steam"}', "engine_not_found", "engine"),
        ('{"type": "start", "voice": "nobody"}', "voice_not_found", "voice"),
        ('{"type": "start", "reference_audio": "%%"}', "invalid_request", "reference_audio"),
        ('{"type": "start", "reference_audio": "AAAA"}', "unsupported_media", "reference_audio"),
        ('{"type": "start", "reference_text": "x"}', "invalid_request", "reference_text"),
    ],
)
async def test_invalid_start_is_an_error(
    gateway: InMemory, message: str | bytes, type_: str, param: str | None
) -> None:
    async with Socket(gateway.app) as socket:
        socket.send_raw(message)
        error = (await failed(socket))["error"]
    assert (error["type"], error["param"]) == (type_, param)
    assert gateway.metric("voxgate_errors_total", type=type_) == 1
    assert gateway.metric("voxgate_live_ended_total", outcome=type_) == 1


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"type": "start"}, "type"),
        ({"type": "text"}, "text"),
        ({"type": "text", "text": 5}, "text"),
        ({"type": "text", "text": "x", "voice": "ada"}, "voice"),
        ({"type": "flush", "now": True}, "now"),
        ({"type": "interrupt", "played_ms": -1}, "played_ms"),
        ({"type": "interrupt", "played_ms": "9"}, "played_ms"),
        ({"type": "interrupt", "played_ms": True}, "played_ms"),
    ],
)
async def test_invalid_message_ends_the_session(gateway: InMemory, message: dict[str, Any], param: str) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send(**message)
        error = (await failed(socket))["error"]
    assert (error["type"], error["param"]) == ("invalid_request", param)


@pytest.mark.parametrize("late", ["text", "flush", "end"])
async def test_text_after_end_is_an_error(tmp_path: Path, late: str) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)])
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        socket.send("end")
        socket.send(late, **({"text": "x"} if late == "text" else {}))
        assert (await failed(socket))["error"]["message"] == "the text of the session has ended"
    assert gateway.app.state.services.synthesizer._backlog.used_bytes == 0


async def test_unloaded_engine_is_an_error_with_a_retry_delay(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(state=State.UNLOADED)])
    async with Socket(gateway.app) as socket:
        socket.send("start")
        event = await failed(socket, 1013)
    assert event["error"]["type"] == "engine_unavailable"
    assert event["retry_after_s"] == 5.0
    assert gateway.engine.state is State.LOADING


async def test_unspeakable_letter_refuses_its_own_sentence_only(tmp_path: Path) -> None:
    capabilities = replace(FAKE_CAPABILITIES, alphabet=Alphabet(("LATIN",)))
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional, capabilities=capabilities)])
    text = "It is late. Three is жар there. It costs $5 now."
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=text)
        socket.send("end")
        events, _ = await socket.rest()
    (refused,) = of(events, "segment_refused")
    assert text[refused["start"] : refused["end"]] == "Three is жар there. "
    assert refused["error"]["message"].startswith("fake cannot speak 'ж' (Cyrillic script, character 22 of the text)")
    assert [job.text for job in gateway.engine.jobs] == ["It is late.", "It costs five dollars now."]
    assert [text[event["start"] : event["end"]] for event in of(events, "segment")][-1] == "It costs $5 now."


async def test_refused_segment_is_skipped_and_reported(tmp_path: Path) -> None:
    async def only_english(job: Job) -> AsyncGenerator[AudioChunk, None]:
        if not job.text.isascii():
            raise InvalidJob("cannot speak 'ж'", param="text")
        async for chunk in proportional(job):
            yield chunk

    gateway = in_memory(tmp_path, [FakeEngine(script=only_english)])
    async with Socket(gateway.app) as socket:
        await started(socket)
        for text in ("In English first. ", "Потом не по-английски. ", "And so on."):
            socket.send("text", text=text)
            socket.send("flush")
        socket.send("end")
        events, _ = await socket.rest()
    (refused,) = of(events, "segment_refused")
    assert (refused["start"], refused["end"]) == (18, 41)
    assert refused["error"] == {"type": "invalid_request", "message": "cannot speak 'ж'", "param": "text"}
    assert [event["start"] for event in of(events, "segment")] == [0, 41]
    assert events[-1]["type"] == "finished"
    assert gateway.metric("voxgate_errors_total", type="invalid_request") == 1


async def test_failure_midway_ends_the_session_with_its_position(tmp_path: Path) -> None:
    async def breaks(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.zeros(2400, np.float32), (0, 10))
        yield AudioChunk(job.id, np.zeros(2400, np.float32), (10, 20))
        raise SynthesisFailed("out of breath")

    gateway = in_memory(tmp_path, [FakeEngine(script=breaks)])
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        event = await failed(socket, 1011)
    assert (event["error"]["type"], event["error"]["message"]) == ("synthesis_failed", "out of breath")
    assert event["position"] == 20
    assert gateway.metric("voxgate_live_ended_total", outcome="synthesis_failed") == 1


async def test_queue_full_of_its_own_jobs_does_not_fail_a_session(tmp_path: Path) -> None:
    async def slowly(job: Job) -> AsyncGenerator[AudioChunk, None]:
        async for chunk in proportional(job):
            yield chunk
            await asyncio.sleep(0.01)

    gateway = in_memory(tmp_path, [FakeEngine(script=slowly)], max_active=1, max_queue=0)
    async with Socket(gateway.app) as first, Socket(gateway.app) as second:
        await started(first)
        first.send("text", text=TEXT)
        first.send("end")
        await first.until("segment")
        await started(second)
        second.send("text", text=TEXT)
        event = await failed(second, 1013)
        assert event["error"]["type"] == "queue_full"
        assert event["retry_after_s"] >= 1
        events, _ = await first.rest()
    assert len(of(events, "segment_done")) == 2
    assert events[-1]["type"] == "finished"
    assert gateway.metric("voxgate_requests_total", engine="fake", outcome="queue_full") == 2


async def test_unexpected_error_is_sent_without_details(tmp_path: Path) -> None:
    async def bug(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise ZeroDivisionError("secret")
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=bug)])
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        error = (await failed(socket, 1011))["error"]
    assert error["type"] == "internal_error"
    assert "secret" not in error["message"]


async def test_session_text_is_limited(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)], settings={"live": {"text_chars": 100}})
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text="x" * 60)
        socket.send("text", text="x" * 40)
        socket.send("text", text="x")
        assert (await failed(socket))["error"]["param"] == "text"


async def test_segments_respect_the_text_limit(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)], limits={"text_chars": 40})
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text="words without an end " * 10)
        socket.send("end")
        events, _ = await socket.rest()
    assert events[-1]["type"] == "finished"
    assert 30 < max(len(job.text) for job in gateway.engine.jobs) <= 40


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "a\\u0300\\u202e\\ufeff"])
async def test_unusual_characters_are_accepted(gateway: InMemory, text: str) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send_raw(f'{{"type": "text", "text": "Before {text} after."}}')
        socket.send("end")
        events, _ = await socket.rest()
    last = events[-1]
    assert last["type"] == "finished" or last["error"]["type"] == "invalid_request", last


async def test_message_size_is_limited(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, settings={"live": {"message_bytes": 1024}})
    async with Socket(gateway.app) as socket:
        socket.send("start", voice="x" * 1024)
        assert (await failed(socket))["error"]["type"] == "body_too_large"


async def test_session_without_start_times_out(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"body_s": 0.05})
    async with Socket(gateway.app) as socket:
        assert (await failed(socket))["error"]["type"] == "body_timeout"


async def test_idle_session_times_out(tmp_path: Path) -> None:
    async def slow(job: Job) -> AsyncGenerator[AudioChunk, None]:
        await asyncio.sleep(0.3)
        yield AudioChunk(job.id, np.zeros(2400, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=slow)], settings={"live": {"idle_s": 0.1}})
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text="While this is being made, nobody is idle. Or")
        events, _ = await socket.rest()
    assert [event["type"] for event in events] == ["segment", "segment_done", "error"]
    assert events[-1]["error"]["type"] == "session_idle"


async def test_number_of_sessions_is_limited(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, settings={"live": {"sessions": 1}})
    async with Socket(gateway.app) as first:
        async with Socket(gateway.app) as second:
            assert second.denial is not None
            status, headers, body = second.denial
            assert (status, headers["retry-after"]) == (503, "5")
            assert body["error"]["type"] == "overloaded"
            assert body["error"]["request_id"] == headers["x-request-id"]
        await started(first)
    async with Socket(gateway.app) as third:
        await started(third)
    assert gateway.metric("voxgate_http_responses_total", route="/tts/stream", status="503") == 1


async def test_sessions_count_as_requests(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"requests": 1})
    async with Socket(gateway.app):
        assert (await gateway.client.get("/v1/voices")).status_code == 503
        async with Socket(gateway.app) as second:
            assert second.denial is not None
            assert second.denial[2]["error"]["type"] == "overloaded"
        assert (await gateway.client.get("/health/live")).status_code == 200


async def test_cross_site_websocket_is_rejected(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, settings={"cors": {"origins": ["https://friend.example"]}})
    async with Socket(gateway.app, headers={"Origin": "https://evil.example"}) as socket:
        assert socket.denial is not None
        assert (socket.denial[0], socket.denial[2]["error"]["type"]) == (403, "cross_site")
    async with Socket(gateway.app, headers={"Origin": "https://friend.example"}) as socket:
        assert socket.accepted is not None


async def test_websocket_requires_a_key_if_configured(tmp_path: Path) -> None:
    keys = {"me": {"sha256": hashlib.sha256(b"open sesame").hexdigest(), "max_concurrent": 1}}
    gateway = in_memory(tmp_path, settings={"access": {"keys": keys}})
    for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401)):
        async with Socket(gateway.app, headers=headers) as socket:
            assert socket.denial is not None
            assert (socket.denial[0], socket.denial[2]["error"]["type"]) == (status, "unauthorized")
            assert "www-authenticate" in socket.denial[1]
    key = {"Authorization": "Bearer open sesame"}
    async with Socket(gateway.app, headers=key) as socket, Socket(gateway.app, headers=key) as second:
        await started(socket)
        assert second.denial is not None
        assert (second.denial[0], second.denial[2]["error"]["type"]) == (429, "rate_limited")


async def endless(job: Job) -> AsyncGenerator[AudioChunk, None]:
    while True:
        yield AudioChunk(job.id, np.zeros(2400, np.float32))
        await asyncio.sleep(0.001)


async def test_disconnect_aborts_the_job(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=endless)])
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        await socket.until("segment")
        socket.hang_up()
        await asyncio.wait_for(socket.task, 5)
    assert gateway.engine.aborted == [job.id for job in gateway.engine.jobs]
    assert gateway.app.state.services.synthesizer._backlog.used_bytes == 0
    assert gateway.metric("voxgate_live_ended_total", outcome="client_gone") == 1


async def test_stalled_client_is_disconnected_and_its_job_aborted(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)], limits={"stall_s": 0.2})
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        socket.send("text", text=TEXT * 20)
        while not gateway.metric("voxgate_live_ended_total", outcome="client_stalled"):
            await asyncio.sleep(0.01)
    assert len(gateway.engine.jobs) == 2
    assert gateway.app.state.services.synthesizer._backlog.used_bytes == 0


def sessions_of(gateway: InMemory) -> LiveSessions:
    found: LiveSessions = gateway.app.state.services.live
    return found


async def test_shutdown_lets_sessions_finish_complete_segments(gateway: InMemory) -> None:
    async with Socket(gateway.app) as quiet, Socket(gateway.app) as waiting:
        await started(quiet)
        quiet.send("text", text="The first sentence. The second is not comp")
        await quiet.until("segment_done")
        drain = asyncio.create_task(sessions_of(gateway).drain(5))
        events, _ = await quiet.rest()
        assert events == [
            {"type": "finished", "reason": "shutdown", "position": 42, "segments": 1, "duration_ms": 19 * 50}
        ]
        assert (quiet.code, quiet.reason) == (1012, "shutdown")
        assert await waiting.rest() == ([], b"")
        assert waiting.code == 1012
        await drain
    async with Socket(gateway.app) as late:
        assert late.denial is not None
        assert (late.denial[0], late.denial[2]["error"]["message"]) == (503, "the gateway is shutting down")
    assert gateway.metric("voxgate_live_ended_total", outcome="shutdown") == 2


async def test_shutdown_cuts_off_sessions_after_the_drain_time(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=endless)])
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        await socket.until("segment")
        await sessions_of(gateway).drain(0.1)
        events, _ = await socket.rest()
        assert (events, socket.code) == ([], 1012)
    assert gateway.engine.aborted
