"""Live sessions of real clients with a running gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import fish_audio_sdk
import fishaudio
import pytest
from support.gateway_process import TONE, Gateway, read_audio, start_gateway, wait_ready
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

ROOT = Path(__file__).parents[2]
TEXT = "It was late already, and the wind had turned. Nobody knew why. He counted to three, and left."
RATE = 24000


def socket(gateway: Gateway, path: str = "/tts/stream", **options: Any) -> connect:
    url = gateway.url.replace("http", "ws", 1) + path
    return connect(url, max_size=None, proxy=None, **options)


async def send(client: ClientConnection, type_: str, **fields: Any) -> None:
    await client.send(json.dumps({"type": type_, **fields}))


async def until(client: ClientConnection, *types: str) -> tuple[list[dict[str, Any]], bytes]:
    """Receive events up to one of these types, or the close frame, and the audio between them."""
    events, audio = [], b""
    with contextlib.suppress(ConnectionClosed):  # tests check its code
        async with asyncio.timeout(30):
            async for message in client:
                if isinstance(message, bytes):
                    audio += message
                    continue
                events.append(json.loads(message))
                if events[-1]["type"] in types:
                    break
    return events, audio


async def spoken(gateway: Gateway, *deltas: str, **start: Any) -> tuple[list[dict[str, Any]], bytes]:
    async with socket(gateway) as client:
        await send(client, "start", **start)
        for delta in deltas:
            await send(client, "text", text=delta)
        await send(client, "end")
        events, audio = await until(client)
        assert client.close_code == 1000
        return events, audio


def metric(gateway: Gateway, name: str) -> float:
    for line in gateway.client.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


@pytest.mark.parametrize("engine", ["tone", "lite"])
async def test_streamed_words_give_the_speech_of_their_sentences(gateway: Gateway, engine: str) -> None:
    start = {"engine": engine, "seed": 3, "format": "pcm"}
    events, audio = await spoken(gateway, *(word + " " for word in TEXT.split(" ")), **start)
    assert (await spoken(gateway, TEXT + " ", **start))[1] == audio
    alone = b""
    for event in events:
        if event["type"] == "segment":
            body = {**start, "text": TEXT[event["start"] : event["end"]].strip(), "stream": True}
            alone += gateway.client.post("/tts", json=body).content
    assert audio == alone
    assert len(audio) / 2 / RATE == pytest.approx(events[-1]["duration_ms"] / 1000, abs=0.01)


async def test_speech_starts_before_the_text_is_complete(gateway: Gateway) -> None:
    async with socket(gateway) as client:
        await send(client, "start", engine="lite")
        await send(client, "text", text="The first sentence is complete. The sec")
        events, _ = await until(client, "segment_done")
        assert [event["type"] for event in events] == ["started", "segment", "segment_done"]
        await send(client, "text", text="ond comes later.")
        await send(client, "flush")
        events, audio = await until(client, "flushed")
        assert len(audio) > RATE // 2


async def test_interruption_aborts_the_job_and_keeps_the_session(gateway: Gateway) -> None:
    async with socket(gateway) as client:
        await send(client, "start", engine="tone", options={"step_s": 0.02})
        await send(client, "text", text=TEXT * 20)
        await until(client, "segment")
        began_at = time.monotonic()
        await send(client, "interrupt")
        events, _ = await until(client, "interrupted")
        assert time.monotonic() - began_at < 1
        assert TEXT.startswith(events[-1]["text"])
        assert events[-1]["next"] == len(TEXT) * 20
        await send(client, "text", text="Go on.")
        await send(client, "flush")
        events, audio = await until(client, "flushed")
        assert len(audio) == 6 * RATE // 20 * 2
        assert metric(gateway, 'voxgate_active_jobs{engine="tone"}') == 0


async def test_client_disconnect_leaves_no_job(gateway: Gateway) -> None:
    async with socket(gateway) as client:
        await send(client, "start", engine="tone", options={"step_s": 0.05})
        await send(client, "text", text="x" * 5000)
        await until(client, "segment")
        assert metric(gateway, "voxgate_live_sessions") >= 1
        client.transport.abort()
    deadline = time.monotonic() + 10
    while metric(gateway, 'voxgate_active_jobs{engine="tone"}') or metric(gateway, "voxgate_live_sessions"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_handshake_is_refused_with_an_http_response(gateway: Gateway) -> None:
    for path, keys in (("/tts/stream", {"error"}), ("/v1/tts/live", {"status", "message"})):
        with pytest.raises(InvalidStatus) as caught:
            async with socket(gateway, path, origin="https://evil.example"):
                pass
        response = caught.value.response
        assert response.status_code == 403
        assert set(json.loads(response.body)) == keys
        assert response.headers["x-request-id"]


async def test_oversized_message_closes_the_socket(gateway: Gateway) -> None:
    async with socket(gateway) as client:
        await send(client, "start", engine="tone")
        with contextlib.suppress(ConnectionClosed):
            await client.send(" " * (17 * 2**20))
        await until(client)
        assert client.close_code == 1009


@contextlib.contextmanager
def gateway_that_ends(folder: Path, **limits: float) -> Iterator[Gateway]:
    gateway = start_gateway(folder, {**TONE, "limits": limits})
    try:
        wait_ready(gateway)
        yield gateway
        assert gateway.process.wait(10) == 0, gateway.log.read_text()
    finally:
        gateway.client.close()
        gateway.process.kill()
        gateway.process.wait()


async def test_sigterm_lets_a_session_finish_its_sentence(tmp_path: Path) -> None:
    with gateway_that_ends(tmp_path, drain_s=10) as gateway:
        async with socket(gateway) as client, socket(gateway) as idle:
            await send(client, "start", options={"step_s": 0.05})
            await send(client, "text", text="This one is being spoken already. This one is not comp")
            _, before = await until(client, "segment")
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            await send(client, "text", text="lete. Nor is this. ")
            events, audio = await until(client)
            assert [event["type"] for event in events] == ["segment_done", "finished"]
            assert (events[-1]["reason"], client.close_code) == ("shutdown", 1012)
            assert len(before + audio) == 33 * RATE // 20 * 2
            await until(idle)
            assert idle.close_code == 1012


async def test_client_that_stops_reading_leaves_no_job(tmp_path: Path) -> None:
    with gateway_that_ends(tmp_path, stall_s=1, drain_s=1) as gateway:
        async with socket(gateway, max_queue=1) as client:
            await send(client, "start")
            for _ in range(20):
                await send(client, "text", text="x" * 5000)
            deadline = time.monotonic() + 30
            while not metric(gateway, 'voxgate_live_ended_total{outcome="client_stalled"}'):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            assert metric(gateway, 'voxgate_active_jobs{engine="tone"}') == 0
            assert metric(gateway, "voxgate_live_sessions") == 0
            client.transport.abort()
        gateway.process.send_signal(signal.SIGTERM)


async def test_drain_of_sessions_is_bounded(tmp_path: Path) -> None:
    with gateway_that_ends(tmp_path, drain_s=1) as gateway:
        async with socket(gateway) as client:
            await send(client, "start", options={"step_s": 0.5})
            await send(client, "text", text="x" * 5000)
            await until(client, "segment")
            began_at = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            await until(client)
            assert client.close_code == 1012
            assert 0.9 < time.monotonic() - began_at < 4


def sentences() -> Iterator[str]:
    yield from ("The first sen", "tence is here. ", "And the ", "second.")


async def sentences_later() -> AsyncIterator[str]:
    for text in sentences():
        yield text
        await asyncio.sleep(0.01)


SPOKEN_S = 0.05 * (len("The first sentence is here.") + len("And the second."))
LEGACY = fish_audio_sdk.TTSRequest(text="", format="wav", reference_id="high")


def test_fish_audios_old_client_streams(gateway: Gateway) -> None:
    with fish_audio_sdk.WebSocketSession("key", base_url=gateway.url) as session:
        audio = b"".join(session.tts(LEGACY, sentences(), backend="tone"))  # type: ignore[arg-type]
    samples, rate = read_audio(audio)
    assert len(samples) / rate == pytest.approx(SPOKEN_S, abs=0.01)
    with fish_audio_sdk.WebSocketSession("key", base_url=gateway.url) as session:
        assert len(b"".join(session.tts(fish_audio_sdk.TTSRequest(text=""), sentences()))) > 5000  # lite speaks


async def test_fish_audios_old_client_streams_asynchronously(gateway: Gateway) -> None:
    async with fish_audio_sdk.AsyncWebSocketSession("key", base_url=gateway.url) as session:
        parts = [part async for part in session.tts(LEGACY, sentences_later(), backend="tone")]  # type: ignore[arg-type]
    samples, rate = read_audio(b"".join(parts))
    assert len(samples) / rate == pytest.approx(SPOKEN_S, abs=0.01)


def test_fish_audios_new_client_streams(gateway: Gateway, clip: bytes) -> None:
    client = fishaudio.FishAudio(api_key="key", base_url=gateway.url)

    def flushed() -> Iterator[str | fishaudio.types.FlushEvent]:
        yield "No sentence"
        yield fishaudio.types.FlushEvent()
        yield from sentences()

    parts = client.tts.stream_websocket(flushed(), format="wav", model="tone", speed=2.0)  # type: ignore[arg-type]
    samples, rate = read_audio(b"".join(parts))
    assert len(samples) / rate == pytest.approx((SPOKEN_S + 0.05 * 11) / 2, abs=0.02)
    reference = fishaudio.types.ReferenceAudio(audio=clip, text="hm")
    for fmt in ("mp3", "opus", "pcm"):
        audio = client.tts.stream_websocket(sentences(), format=fmt, references=[reference], model="tone")  # type: ignore[arg-type]
        assert len(b"".join(audio)) > 5000


async def test_fish_audios_new_client_streams_asynchronously(gateway: Gateway) -> None:
    client = fishaudio.AsyncFishAudio(api_key="key", base_url=gateway.url)
    stream = client.tts.stream_websocket(sentences_later(), format="wav", model="tone")  # type: ignore[arg-type]
    samples, rate = read_audio(b"".join([part async for part in stream]))
    assert len(samples) / rate == pytest.approx(SPOKEN_S, abs=0.01)


def test_fish_audios_clients_raise_on_errors(gateway: Gateway) -> None:
    client = fishaudio.FishAudio(api_key="key", base_url=gateway.url)
    with pytest.raises(fishaudio.exceptions.WebSocketError):
        list(client.tts.stream_websocket(sentences(), reference_id="nobody", model="tone"))  # type: ignore[arg-type]
    with (
        pytest.raises(fish_audio_sdk.exceptions.WebSocketErr),
        fish_audio_sdk.WebSocketSession("key", base_url=gateway.url) as session,
    ):
        list(session.tts(LEGACY, sentences(), backend="steam"))  # type: ignore[arg-type]


def run_example(gateway: Gateway, name: str, *arguments: str, text: str = "", **env: str) -> tuple[bytes, str]:
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=60,
        env={**os.environ, "VOXGATE_SERVER": gateway.url, **env},
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout, result.stderr.decode()


def test_live_client_example_runs(gateway: Gateway) -> None:
    audio, output = run_example(gateway, "live_client.py", "engine=tone", "format=wav", text=TEXT)
    samples, rate = read_audio(audio)
    spoken_s = [float(line.split()[0]) for line in output.splitlines()]
    assert len(samples) / rate == pytest.approx(spoken_s[-1], abs=0.01)
    assert "0.00 s  'It was late already, and the wind had turned. '" in output
