"""Barge-in: interruption of speech, and the text reported as spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.live_text import CHARS_PER_S, RATE, decoded, of, pcm, proportional, started
from support.socket import Socket

from backends.base import AudioChunk, Job
from gateway.engine.fake import FakeEngine
from gateway.service.live.playback import PlaybackPosition
from gateway.text.segments import Segment

FIRST = "Alpha beta gamma delta epsilon zeta eta theta. "  # 46 characters without the trailing space
SECOND = "Iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon. "


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=proportional)])


async def interrupted(socket: Socket, **fields: Any) -> tuple[dict[str, Any], bytes]:
    socket.send("interrupt", **fields)
    events, audio = await socket.until("interrupted")
    return events[-1], audio


async def test_all_sent_audio_counts_as_spoken_by_default(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=FIRST + SECOND + "Not yet")
        await socket.until("segment_done")
        await socket.until("segment_done")
        answer, _ = await interrupted(socket)
        spoken = FIRST + SECOND.strip()
        assert answer == {
            "type": "interrupted",
            "position": len(spoken),
            "text": spoken,
            "next": len(FIRST + SECOND) + 7,
        }
        socket.send("end")
        events, audio = await socket.rest()
        assert (events[0]["type"], audio) == ("finished", b"")  # "Not yet" was dropped


@pytest.mark.parametrize(
    ("played_ms", "spoken"),
    [
        (0, ""),
        (249, ""),
        (250, "Alpha"),
        (349.5, "Alpha "),  # within a word, which does not count as spoken
        (500, "Alpha beta"),
        (1050, "Alpha beta gamma "),
        (46 * 50, FIRST.strip()),
        (46 * 50 + 4 * 50, FIRST + "Iota"),
        (10**8, FIRST + SECOND.strip()),
    ],
)
async def test_played_ms_determines_the_spoken_text(gateway: InMemory, played_ms: float, spoken: str) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text=FIRST + SECOND)
        socket.send("flush")
        await socket.until("flushed")
        answer, _ = await interrupted(socket, played_ms=played_ms)
        assert (answer["text"], answer["position"]) == (spoken, len(spoken))


async def test_session_continues_after_an_interruption(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket, seed=5)
        socket.send("text", text=FIRST)
        socket.send("flush")
        await socket.until("flushed")
        answer, _ = await interrupted(socket, played_ms=800)
        assert (answer["text"], answer["next"]) == ("Alpha beta gamma", len(FIRST))
        socket.send("text", text="One two three four five.")
        socket.send("flush")
        events, audio = await socket.until("flushed")
        assert (events[0]["start"], events[0]["end"], events[0]["at_ms"]) == (47, 71, 0)
        assert len(pcm(audio)) == 24 * RATE // CHARS_PER_S
        answer, _ = await interrupted(socket, played_ms=350)
        assert answer == {"type": "interrupted", "position": 47 + 7, "text": "One two", "next": 71}
        socket.send("end")
        events, _ = await socket.rest()
        assert (events[-1]["position"], events[-1]["segments"]) == (71, 2)
    assert gateway.metric("voxgate_live_interruptions_total") == 2


async def test_interruption_aborts_open_segments_and_drops_queued_ones(tmp_path: Path) -> None:
    async def endless(job: Job) -> AsyncGenerator[AudioChunk, None]:
        while True:
            yield AudioChunk(job.id, np.full(2400, 0.1, np.float32), (0, len(job.text)))
            await asyncio.sleep(0.001)

    gateway = in_memory(tmp_path, [FakeEngine(script=endless)])
    async with Socket(gateway.app, buffer=2) as socket:
        await started(socket)
        socket.send("text", text=(FIRST + SECOND) * 20)
        await socket.until("segment")
        await asyncio.sleep(0.05)
        assert len(gateway.engine.jobs) == 2
        answer, audio = await interrupted(socket)
        assert sorted(gateway.engine.aborted) == ["1", "2"]
        assert gateway.app.state.services.synthesizer._backlog.used_bytes == 0
        # The speaking rate is unknown and assumed to be 15 characters a second.
        sent_s = len(pcm(audio)) / RATE
        assert answer["position"] == pytest.approx(sent_s * 15, abs=8)
        assert FIRST.startswith(answer["text"])
        gateway.engine.script = proportional
        socket.send("text", text="Go on.")
        socket.send("end")
        events, _ = await socket.rest()
        assert of(events, "segment")[0]["start"] == answer["next"]
        assert len(gateway.engine.jobs) == 3


async def test_audio_of_earlier_turns_does_not_count_as_spoken_again(tmp_path: Path) -> None:
    async def endless(job: Job) -> AsyncGenerator[AudioChunk, None]:
        while True:
            yield AudioChunk(job.id, np.full(4 * RATE, 0.1, np.float32))
            await asyncio.sleep(0.001)

    gateway = in_memory(tmp_path, [FakeEngine(script=endless)])
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        start = 0
        for _ in range(3):
            socket.send("text", text=SECOND + "I")
            await socket.until("segment")
            first = [await socket.next() for _ in range(10)]  # a second of audio
            answer, rest = await interrupted(socket)
            heard_s = len(pcm(b"".join([*first, rest]))) / RATE
            assert answer["position"] - start == pytest.approx(heard_s * 15, abs=8)
            start = answer["next"]


async def test_audio_made_ahead_improves_the_spoken_position(tmp_path: Path) -> None:
    """The job is complete while a slow client has received half of it; the engine reports no spans or one span."""

    async def one_span(job: Job) -> AsyncGenerator[AudioChunk, None]:
        for _ in range(20):
            yield AudioChunk(job.id, np.full(2400, 0.1, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=one_span)])
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        socket.send("text", text=FIRST + "I")
        await socket.until("segment")
        for _ in range(9):
            assert isinstance(await socket.next(), bytes)
        await asyncio.sleep(0.05)
        socket.send("interrupt")
        events, audio = await socket.until("interrupted")
        heard_s = 0.9 + len(pcm(audio)) / RATE
        assert 1.0 <= heard_s < 1.5
        assert events[-1]["position"] == pytest.approx(heard_s / 2.0 * len(FIRST), abs=7)


async def test_interruption_before_any_audio_has_no_text(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        assert (await interrupted(socket))[0] == {"type": "interrupted", "position": 0, "text": "", "next": 0}
        socket.send("text", text="Unfinish")
        assert (await interrupted(socket, played_ms=0))[0] == {
            "type": "interrupted",
            "position": 0,
            "text": "",
            "next": 8,
        }


async def test_interruption_after_end_finishes_the_session(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)])
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        socket.send("text", text=FIRST + SECOND)
        socket.send("end")
        await socket.until("segment")
        socket.send("interrupt")
        events, _ = await socket.rest()
        assert [event["type"] for event in events] == ["interrupted", "finished"]
        assert socket.code == 1000


@pytest.mark.parametrize("fmt", ["pcm", "wav", "flac"])
async def test_interruption_of_a_complete_unread_session(tmp_path: Path, fmt: str) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=proportional)])
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket, format=fmt)
        socket.send("text", text="Hi")
        socket.send("end")
        await asyncio.sleep(0.2)  # by now everything is encoded
        socket.send("interrupt")
        await asyncio.sleep(0.1)
        events, audio = await socket.rest()
        assert [event["type"] for event in events][-2:] == ["interrupted", "finished"]
        assert events[-2]["position"] in (0, 2)
        if fmt == "flac":
            assert audio[:4] == b"fLaC"


@pytest.mark.parametrize("fmt", ["wav", "mp3", "flac", "opus", "aac", "m4a", "webm", "mulaw_wav"])
async def test_interruption_does_not_start_a_new_file(gateway: InMemory, fmt: str) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket, format=fmt)
        socket.send("interrupt")
        _, head = await socket.until("interrupted")
        socket.send("text", text=FIRST)
        socket.send("flush")
        _, first = await socket.until("flushed")
        _, rest = await interrupted(socket, played_ms=100)
        socket.send("text", text=SECOND)
        socket.send("end")
        _, second = await socket.rest()
    samples, rate = decoded(head + first + rest + second)
    spoken_s = (46 + 60) / CHARS_PER_S
    assert spoken_s <= len(samples) / rate + 0.01 < spoken_s + 1.5
    assert np.abs(samples[-rate:]).max() > 0.2 * np.abs(samples).max()


async def test_consecutive_interruptions_are_answered_in_order(gateway: InMemory) -> None:
    async with Socket(gateway.app, buffer=1) as socket:
        await started(socket)
        for _ in range(20):
            socket.send("text", text=FIRST)
            socket.send("interrupt")
        for number in range(20):
            events, _ = await socket.until("interrupted")
            assert events[-1]["next"] == len(FIRST) * (number + 1)


def test_text_position_is_proportional_and_never_inside_a_word() -> None:
    playback = PlaybackPosition(rate_hz=1000, start=100)
    segment = Segment(100, " one two three ")
    assert playback.text_position(0) == 100
    playback.add(segment, 300, (0, 3))
    playback.add(segment, 600, (4, 13))
    playback.add(segment, 300, (4, 13))  # same span
    playback.complete()
    assert playback.samples == 1200
    assert [playback.text_position(at) for at in (1, 100, 300, 301)] == [101, 101, 104, 105]
    assert playback.text_position(700) == 100 + len(" one two ")
    assert playback.text_position(1199) == 100 + len(" one two ")
    assert playback.text_position(1200) == 100 + len(" one two three")
    playback.add_silence(500)
    assert playback.text_position(1700) == 114
    later = Segment(115, "你好世界你好世界你好")
    playback.add(later, 500)
    at_measured_rate = 115 + int(250 * 12 / 1200)
    assert playback.text_position(1700 + 250) == at_measured_rate, "the last span is not complete"
    playback.complete()
    assert playback.text_position(1700 + 250) == 115 + 5
    assert playback.text_position(10**9) == later.end


def test_span_beyond_its_segment_is_clamped() -> None:
    playback = PlaybackPosition(rate_hz=1000)
    segment = Segment(0, "Hello.")
    playback.add(segment, 100, (3, 900))
    playback.complete()
    assert playback.text_position(100) == 6
