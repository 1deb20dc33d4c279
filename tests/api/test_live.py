"""``/tts/stream``: audio and events of incremental text."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.live_text import CHARS_PER_S, RATE, TEXT, decoded, of, pcm, proportional, started
from support.socket import Socket

from backends.base import AudioChunk, Job
from gateway.engine.fake import FakeEngine


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=proportional)])


async def test_incremental_text_becomes_audio_with_text_spans(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        assert socket.accepted is not None
        start = await started(socket, voice="grace", seed=7, speed=1.5, language="en", options={"depth": 4})
        assert start == {
            "type": "started",
            "request_id": socket.accepted["x-request-id"],
            "engine": "fake",
            "model": "fake-1",
            "voice": "grace",
            "seed": 7,
            "format": "pcm",
            "sample_rate": RATE,
            "content_type": "audio/pcm;rate=24000;channels=1",
        }
        for word in TEXT.split(" "):
            socket.send("text", text=word + " ")
        socket.send("end")
        events, audio = await socket.rest()
    began, done = of(events, "segment"), of(events, "segment_done")
    spans = [(event["start"], event["end"]) for event in began]
    assert [TEXT[start:end] for start, end in spans] == [
        "It was late already, and the wind had turned. ",
        "Nobody knew why! 你好，世界。 He counted: one, two, three.",
    ]
    assert [(event["index"], event["start"], event["end"]) for event in done] == [(0, 0, 46), (1, 46, 99)]
    assert [job.text for job in gateway.engine.jobs] == [TEXT[start:end].strip() for start, end in spans]
    for job in gateway.engine.jobs:
        assert (job.seed, job.speed, job.language, job.voice, job.stream) == (7, 1.5, "en", "grace", True)
        assert job.options == {"depth": 4}
    assert [event["duration_ms"] for event in done] == [45 * 50, 52 * 50]
    assert [event["at_ms"] for event in began] == [0, 45 * 50]
    assert len(pcm(audio)) == (45 + 52) * RATE // CHARS_PER_S
    assert events[-1] == {
        "type": "finished",
        "reason": "end",
        "position": len(TEXT) + 1,
        "segments": 2,
        "duration_ms": 97 * 50,
    }
    assert (socket.code, socket.reason) == (1000, "finished")


async def test_audio_is_between_the_events_of_its_segment(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        socket.send("end")
        for chars in (45, 52):
            events, audio = await socket.until("segment")
            assert not audio
            events, audio = await socket.until("segment_done")
            assert (len(events), len(pcm(audio))) == (1, chars * RATE // CHARS_PER_S)


async def test_division_into_messages_does_not_change_the_audio(gateway: InMemory) -> None:
    async def spoken(*deltas: str) -> tuple[list[dict[str, Any]], bytes]:
        async with Socket(gateway.app) as socket:
            await started(socket, seed=3)
            for delta in deltas:
                socket.send("text", text=delta)
            socket.send("end")
            return await socket.rest()

    whole = await spoken(TEXT)
    assert await spoken(*TEXT) == whole
    assert await spoken(*(TEXT[start : start + 7] for start in range(0, len(TEXT), 7))) == whole


async def test_segment_audio_equals_a_tts_request(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket, seed=3, sample_rate=RATE)
        socket.send("text", text="The first sentence is here, and the second. ")
        socket.send("end")
        _, audio = await socket.rest()
    alone = b""
    for job in list(gateway.engine.jobs):
        body = {"text": job.text, "seed": 3, "format": "pcm", "stream": True}
        alone += (await gateway.client.post("/tts", json=body)).content
    assert audio == alone


@pytest.mark.parametrize("fmt", ["wav", "pcm", "mp3", "flac", "opus", "aac", "m4a", "webm"])
@pytest.mark.parametrize("sample_rate", [None, 16000])
async def test_session_is_one_file_and_flush_emits_all_audio(
    gateway: InMemory, fmt: str, sample_rate: int | None
) -> None:
    async with Socket(gateway.app) as socket:
        start = await started(socket, format=fmt, sample_rate=sample_rate)
        socket.send("text", text="One sentence of the first turn. And another one")
        socket.send("flush")
        events, audio = await socket.until("flushed")
        assert events[-1]["position"] == 47
        rate = start["sample_rate"]
        samples, heard_rate = (pcm(audio), rate) if fmt == "pcm" else decoded(audio)
        speech_s = sum(event["duration_ms"] for event in of(events, "segment_done")) / 1000
        assert len(samples) / heard_rate >= speech_s - 0.001
        loud = np.nonzero(np.abs(samples) > 0.2 * np.abs(samples).max())[0]
        assert loud[-1] / heard_rate > speech_s - 0.01
        socket.send("text", text="The second turn.")
        socket.send("end")
        events, more = await socket.rest()
    (second,) = of(events, "segment")
    if fmt in ("pcm", "wav") and sample_rate is None:
        assert second["at_ms"] == pytest.approx(speech_s * 1000)
    else:  # silence after a flush
        assert 0 < second["at_ms"] / 1000 - speech_s < 0.6
    whole = audio + more
    samples = pcm(whole) if fmt == "pcm" else decoded(whole)[0]
    assert len(samples) / heard_rate == pytest.approx(events[-1]["duration_ms"] / 1000, abs=0.15)
    assert events[-1]["duration_ms"] == pytest.approx(second["at_ms"] + 16 * 50, abs=0.2)


async def test_reference_clip_is_decoded_once_per_session(gateway: InMemory, clip: bytes) -> None:
    async with Socket(gateway.app) as socket:
        answer = await started(
            socket, reference_audio=base64.b64encode(clip).decode(), reference_text="hm", format="pcm"
        )
        assert answer["voice"] == "reference"
        socket.send("text", text=TEXT)
        socket.send("end")
        await socket.rest()
    first, second = gateway.engine.jobs
    assert first.reference is not None
    assert first.reference is second.reference
    assert (first.reference.text, len(first.reference.audio)) == ("hm", 32000)


async def test_random_seed_is_used_for_the_whole_session(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        answer = await started(socket)
        socket.send("text", text=TEXT)
        socket.send("end")
        await socket.rest()
    assert {job.seed for job in gateway.engine.jobs} == {answer["seed"]}


async def test_flush_speaks_pending_text_and_is_answered_in_order(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("flush")
        assert await socket.next() == {"type": "flushed", "position": 0}
        socket.send("text", text="Half a")
        socket.send("flush")
        socket.send("text", text=" sentence")
        socket.send("flush")
        events, _ = await socket.until("flushed")
        assert [event["type"] for event in events] == ["segment", "segment_done", "flushed"]
        events, _ = await socket.until("flushed")
        assert (events[0]["start"], events[0]["end"], events[-1]["position"]) == (6, 15, 15)
        socket.send("text", text=" … 😀")
        socket.send("flush")
        assert await socket.next() == {"type": "flushed", "position": 19}  # it has no speech
        socket.send("end")
        events, audio = await socket.rest()
        assert ([event["type"] for event in events], audio) == (["finished"], b"")


async def test_pending_flushes_at_one_position_get_one_answer(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text="Half a sentence")
        for _ in range(3):
            socket.send("flush")
        events, _ = await socket.until("flushed")
        socket.send("flush")  # not pending any more
        socket.send("end")
        more, _ = await socket.rest()
    assert [event["type"] for event in events + more] == ["segment", "segment_done", "flushed", "flushed", "finished"]


async def test_only_configured_segments_are_opened_ahead(tmp_path: Path) -> None:
    text = "A sentence that is long enough to be a segment of its own, more or less. " * 10
    for ahead in (0, 1, 3):
        gateway = in_memory(
            tmp_path / str(ahead), [FakeEngine(script=proportional)], settings={"live": {"ahead": ahead}}
        )
        async with Socket(gateway.app, buffer=1) as socket:
            await started(socket)
            socket.send("text", text=text)
            await asyncio.sleep(0.3)  # the client does not read
            assert len(gateway.engine.jobs) == ahead + 1
            await socket.until("segment_done")
            await asyncio.sleep(0.1)
            assert len(gateway.engine.jobs) == ahead + 2


async def test_second_segment_does_not_delay_the_first_audio(tmp_path: Path) -> None:
    begun: list[str] = []
    go_on = asyncio.Event()

    async def gated(job: Job) -> AsyncGenerator[AudioChunk, None]:
        begun.append(job.text)
        await go_on.wait()
        yield AudioChunk(job.id, np.zeros(2400, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=gated)], settings={"live": {"ahead": 3}})
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=TEXT)
        socket.send("end")
        await asyncio.sleep(0.1)
        assert len(begun) == 1  # the second is opened after the first audio
        go_on.set()
        events, _ = await socket.rest()
        assert (len(begun), events[-1]["type"]) == (2, "finished")


async def test_binary_messages_are_json_and_null_means_absent(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        socket.send_raw(b'{"type": "start", "voice": null, "format": "wav"}')
        assert isinstance(answer := await socket.next(), dict)
        assert (answer["voice"], answer["format"]) == ("ada", "wav")
        header = await socket.next()
        assert isinstance(header, bytes)
        assert (header[:4], len(header)) == (b"RIFF", 44)
        socket.send_raw(b'{"type": "end"}')
        events, audio = await socket.rest()
        assert (events[0]["duration_ms"], audio) == (0, b"")


async def test_live_metrics_are_counted(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        assert gateway.metric("voxgate_live_sessions") == 1
        socket.send("end")
        await socket.rest()
    assert gateway.metric("voxgate_live_sessions") == 0
    assert gateway.metric("voxgate_live_ended_total", outcome="finished") == 1
    assert gateway.metric("voxgate_http_responses_total", route="/tts/stream", status="101") == 1
