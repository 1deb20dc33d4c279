"""``/v1/tts/live``: the Fish Audio live protocol."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import ormsgpack
import pytest
from support.app import InMemory, in_memory
from support.live_text import RATE, pcm, proportional
from support.socket import Socket

from backends.base import Job
from backends.text import Alphabet
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine

PATH = "/v1/tts/live"


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=proportional), FakeEngine("other", script=proportional)])


def send(socket: Socket, event: str, **fields: Any) -> None:
    socket.send_raw(ormsgpack.packb({"event": event, **fields}))


async def rest(socket: Socket) -> tuple[list[dict[str, Any]], bytes]:
    """All events except audio up to ``finish`` or the close frame, and the audio."""
    events, audio = [], b""
    while (message := await socket.next_raw()) is not None:
        assert isinstance(message, bytes)
        event = ormsgpack.unpackb(message)
        if event["event"] == "audio":
            audio += event["audio"]
        else:
            events.append(event)
            if event["event"] == "finish":
                break
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
        assert await socket.next_raw() is None
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
        assert await socket.next_raw() is None
    assert [(event["event"], event["reason"]) for event in events] == [("finish", "error")]
    assert socket.code == 1012


async def test_one_socket_serves_several_sessions(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH) as socket:
        for text, format_ in (("The first.", "pcm"), ("The second one.", "wav"), ("The last.", "pcm")):
            send(socket, "start", request={"text": "", "format": format_})
            send(socket, "text", text=text)
            send(socket, "flush")
            send(socket, "stop")
            events, audio = await rest(socket)
            assert events == [{"event": "finish", "reason": "stop"}]
            assert len(audio) == 2 * len(text) * RATE // 20 + (44 if format_ == "wav" else 0)
        assert gateway.metric("voxgate_live_sessions") == 1
        send(socket, "text", text="Without a start.")
        events, _ = await rest(socket)
        assert events[0]["message"].startswith("type: the first message must be a start")
    assert gateway.metric("voxgate_live_ended_total", outcome="finished") == 3
    assert gateway.metric("voxgate_live_ended_total", outcome="invalid_request") == 1


async def test_socket_closes_when_no_further_session_starts(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)], settings={"live": {"idle_s": 0.1}})
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "Hello.", "format": "pcm"})
        send(socket, "stop")
        await rest(socket)
        assert await socket.next_raw() is None
    assert (socket.code, socket.reason) == (1000, "finished")
    assert gateway.metric("voxgate_live_ended_total", outcome="finished") == 1


async def test_socket_between_sessions_closes_at_shutdown(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "Hello.", "format": "pcm"})
        send(socket, "stop")
        await rest(socket)
        await gateway.app.state.services.live.drain(5)
        assert await socket.next_raw() is None
    assert socket.code == 1012


async def test_refused_sentence_is_skipped_and_reported(tmp_path: Path) -> None:
    capabilities = replace(FAKE_CAPABILITIES, alphabet=Alphabet(("LATIN",)))
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional, capabilities=capabilities)])
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "", "format": "pcm"})
        for text in ("In English first. ", "Τρεις ω. ", "And so on."):
            send(socket, "text", text=text)
            send(socket, "flush")
        send(socket, "stop")
        events, audio = await rest(socket)
    refused, finish = events
    assert (refused["event"], refused["start"], refused["end"]) == ("segment_refused", 18, 27)
    assert refused["message"].startswith("fake cannot speak 'Τ'")
    assert finish == {"event": "finish", "reason": "stop"}
    assert len(audio) == 2 * (17 + 4 + 10) * RATE // 20, "with 0.2 s of silence for the refused sentence"
    assert gateway.metric("voxgate_errors_total", type="invalid_request") == 1


@pytest.mark.parametrize("text", ["😀", "…", " . ", "Τρεις."])
async def test_session_without_anything_spoken_sends_a_short_silence(tmp_path: Path, text: str) -> None:
    """LiveKit takes a session without audio for a failure and tries three times more."""
    capabilities = replace(FAKE_CAPABILITIES, alphabet=Alphabet(("LATIN",)))
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional, capabilities=capabilities)])
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": text, "format": "pcm"})
        send(socket, "stop")
        events, audio = await rest(socket)
    assert events[-1] == {"event": "finish", "reason": "stop"}
    assert audio == bytes(2 * RATE // 5)
    assert gateway.engine.jobs == []


async def test_flush_without_anything_spoken_sends_a_short_silence(gateway: InMemory) -> None:
    """Pipecat gives the service up after three flushes without audio."""
    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "", "format": "pcm"})
        for text in ("Hello.", "😀", "😀", "", "Again."):
            send(socket, "text", text=text)
            send(socket, "flush")
        send(socket, "stop")
        _, audio = await rest(socket)
    assert len(audio) == 2 * (6 + 4 + 4 + 0 + 6) * RATE // 20


async def test_emoji_divided_by_a_javascript_encoder_is_joined(gateway: InMemory) -> None:
    def message(text: str) -> bytes:
        encoded = text.encode("utf-8", "surrogatepass")
        return ormsgpack.packb({"event": "text", "text": "?" * len(encoded)}).replace(b"?" * len(encoded), encoded)

    async with Socket(gateway.app, PATH) as socket:
        send(socket, "start", request={"text": "", "format": "pcm"})
        for text in ("Hi \ud83d", "\ude00 there."):
            socket.send_raw(message(text))
        send(socket, "stop")
        events, _ = await rest(socket)
    assert events == [{"event": "finish", "reason": "stop"}]
    assert "".join(job.text for job in gateway.engine.jobs).replace(" 😀", "") == "Hi there."


async def test_unknown_public_voice_of_fish_audio_is_the_default_voice(gateway: InMemory) -> None:
    async with Socket(gateway.app, PATH, {"model": "s2.1-pro"}) as socket:
        request = {"text": "Hello.", "format": "pcm", "reference_id": "933563129e564b19a115bedd57b7406a"}
        send(socket, "start", request=request)
        send(socket, "stop")
        events, _ = await rest(socket)
    assert events == [{"event": "ignored", "fields": ["reference_id"]}, {"event": "finish", "reason": "stop"}]
    assert [job.voice for job in gateway.engine.jobs] == ["ada"]


async def test_timestamps_are_sent_for_each_segment(gateway: InMemory) -> None:
    texts = ("The first sentence of all. ", "The second, which is a longer one. ")
    async with Socket(gateway.app, f"{PATH}/with-timestamp") as socket:
        for _ in range(2):
            send(socket, "start", request={"text": "", "format": "pcm"})
            for text in texts:
                send(socket, "text", text=text)
                send(socket, "flush")
            send(socket, "stop")
            events: list[dict[str, Any]] = []
            while not events or events[-1]["event"] != "finish":
                message = await socket.next_raw()
                assert isinstance(message, bytes)
                events.append(ormsgpack.unpackb(message))
            assert events.pop() == {"event": "finish", "reason": "stop"}
            offset_s = 0.0
            for index, text in enumerate(map(str.strip, texts)):
                own = [event for event in events if event["chunk_seq"] == index]
                assert {(event["content"], event["chunk_audio_offset_sec"]) for event in own} == {(text, offset_s)}
                assert sum(len(event["audio"]) for event in own) / 2 / RATE == pytest.approx(len(text) / 20)
                (alignment,) = [event["alignment"] for event in own if event["alignment"]]
                duration_s = len(text) / 20
                segments = [{"text": text, "start": 0.0, "end": duration_s}]
                assert alignment == {"segments": segments, "audio_duration": duration_s}
                offset_s += duration_s
