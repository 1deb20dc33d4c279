"""Leniency of compatibility routes: texts without anything to speak, and names that other services know."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from httpx import Response
from support.app import InMemory, in_memory
from support.classic_models import fish_gateway
from support.gateway_process import read_audio

from gateway.api.fish_audio.bodies import tts_body
from gateway.audio.decode import decode
from gateway.audio.formats import FORMATS
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.errors import InvalidRequest

NOTE = "text has nothing to speak: 0.2 s of silence"
PUBLIC_ID = "933563129e564b19a115bedd57b7406a"
ROUTES = {
    "/v1/audio/speech": {"field": "input", "response_format": "wav"},
    "/v1/tts": {"field": "text"},
    "/v1/invoke": {"field": "text"},
    "/v1/models/default/invoke": {"field": "text"},
}


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return fish_gateway(tmp_path)


async def speak(gateway: InMemory, path: str, text: str, **fields: Any) -> Response:
    body = {**ROUTES[path], **fields}
    return await gateway.client.post(path, json={body.pop("field"): text, **body})


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("text", [".", "…", "😀", "👍🏽 ❤️", "?!", "---"])
async def test_text_without_anything_to_speak_is_a_short_silence(gateway: InMemory, path: str, text: str) -> None:
    response = await speak(gateway, path, text)
    assert (response.status_code, response.headers.get("x-voxgate-note")) == (200, NOTE), response.text
    samples, rate = read_audio(response.content)
    assert (len(samples), np.abs(samples).max()) == (rate // 5, 0)
    assert gateway.engine.jobs == []


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("stream", [True, False])
async def test_silence_has_every_format(gateway: InMemory, format_: str, stream: bool) -> None:
    response = await speak(gateway, "/v1/audio/speech", ".", response_format=format_, stream=stream)
    assert (response.status_code, response.headers["x-voxgate-note"]) == (200, NOTE)
    if size := {"pcm": 2 * 24000 // 5, "mulaw": 8000 // 5, "alaw": 8000 // 5}.get(format_):
        assert len(response.content) == size
    else:
        assert decode(response.content, min_s=0, max_s=1).duration_s == pytest.approx(0.2, abs=0.1)


async def test_silence_as_events(gateway: InMemory) -> None:
    response = await speak(gateway, "/v1/audio/speech", ".", stream_format="sse")
    assert response.headers["x-voxgate-note"] == NOTE
    assert response.text.count('"speech.audio.delta"') >= 1
    assert '"speech.audio.done"' in response.text


async def test_spoken_text_has_no_note(gateway: InMemory) -> None:
    for path in ROUTES:
        response = await speak(gateway, path, "Hello.")
        assert response.status_code == 200
        assert "x-voxgate-note" not in response.headers


@pytest.mark.parametrize("path", ["/tts", "/invocations"])
async def test_native_routes_refuse_a_text_without_anything_to_speak(gateway: InMemory, path: str) -> None:
    response = await gateway.client.post(path, json={"text": "😀"})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "text")
    assert response.json()["error"]["type"] == "nothing_to_speak"
    assert "has nothing to speak" in response.json()["error"]["message"]


@pytest.mark.parametrize("text", ["", "  "])
async def test_missing_text_is_still_an_error(gateway: InMemory, text: str) -> None:
    assert (await speak(gateway, "/v1/audio/speech", text)).status_code == 400
    assert (await speak(gateway, "/v1/tts", text)).status_code == 422


async def test_unknown_public_voice_of_fish_audio_is_the_default_voice(gateway: InMemory, clip: bytes) -> None:
    response = await speak(gateway, "/v1/tts", "Hello.", reference_id=PUBLIC_ID, format="mp3")
    assert response.status_code == 200
    assert (response.headers["x-voxgate-voice"], response.headers["x-voxgate-ignored"]) == ("ada", "reference_id")
    form = {"name": (None, PUBLIC_ID), "audio": ("a.wav", clip)}
    assert (await gateway.client.post("/v1/voices", files=form)).status_code == 201
    stored = await speak(gateway, "/v1/tts", "Hello.", reference_id=PUBLIC_ID)
    assert stored.headers["x-voxgate-voice"] == PUBLIC_ID
    assert "x-voxgate-ignored" not in stored.headers


async def test_reference_is_cloned_beside_an_unknown_public_voice(gateway: InMemory, clip: bytes) -> None:
    references = [{"audio": base64.b64encode(clip).decode(), "text": "said"}]
    response = await speak(gateway, "/v1/tts", "Hello.", reference_id=PUBLIC_ID, references=references)
    assert (response.headers["x-voxgate-voice"], response.headers["x-voxgate-ignored"]) == ("reference", "reference_id")


@pytest.mark.parametrize("name", ["alice", PUBLIC_ID[:-1], PUBLIC_ID + "0", PUBLIC_ID.upper()])
async def test_other_unknown_voice_is_an_error(gateway: InMemory, name: str) -> None:
    response = await speak(gateway, "/v1/tts", "Hello.", reference_id=name)
    assert (response.status_code, response.json()["message"].partition(":")[0]) == (404, "reference_id")


@pytest.mark.parametrize(
    "model", ["s1", "s1-mini", "s2-pro", "s2.1-pro", "s2.1-pro-free", "drama-3", "speech-1.5", "speech-1.6", "agent-x0"]
)
async def test_models_of_fish_audio_are_the_default_engine(gateway: InMemory, model: str) -> None:
    response = await gateway.client.post("/v1/tts", json={"text": "Hello."}, headers={"model": model})
    assert (response.status_code, response.headers["x-voxgate-engine"]) == (200, "fish")


@pytest.mark.parametrize("model", ["s", "s2pro", "speech", "speech-x", "s2.", "gpt-9", "S1 mini"])
async def test_other_unknown_model_is_an_error(gateway: InMemory, model: str) -> None:
    response = await gateway.client.post("/v1/tts", json={"text": "Hello."}, headers={"model": model})
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("given", "kbit_s"), [(64000, 64), (24000, 24), (64, 64), (256, 256), (256_000, 256), (-1000, -1000), (0, 0)]
)
def test_opus_bit_rate_is_in_kbit_or_bit_per_second(given: int, kbit_s: int) -> None:
    body, _ = tts_body({"text": "x", "opus_bitrate": given})
    assert body.opus_bitrate == kbit_s


@pytest.mark.parametrize("given", [257, 999, 256_001, -1001])
def test_other_opus_bit_rate_is_refused(given: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        tts_body({"text": "x", "opus_bitrate": given})
    assert caught.value.param == "opus_bitrate"


async def test_stored_voice_that_the_engine_cannot_use_does_not_fail_openais_clients(
    tmp_path: Path, clip: bytes
) -> None:
    engines = [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, cloning="none")), FakeEngine("other")]
    aliases = {"voices": {"nova": "echo", "onyx": "nobody"}}
    gateway = in_memory(tmp_path, engines, aliases=aliases)
    for name in ("alloy", "echo"):
        form = {"name": (None, name), "audio": ("a.wav", clip), "transcript": (None, name)}
        assert (stored := await gateway.client.post("/v1/voices", files=form)).status_code == 201, stored.text
    for name in ("alloy", "echo", "nova", "onyx"):
        response = await speak(gateway, "/v1/audio/speech", "Hello.", voice=name)
        assert (response.status_code, response.headers.get("x-voxgate-ignored")) == (200, "voice"), response.text
        assert response.headers["x-voxgate-voice"] == "ada"
    used = await speak(gateway, "/v1/audio/speech", "Hello.", model="other", voice="alloy")
    assert (used.headers["x-voxgate-voice"], used.headers.get("x-voxgate-ignored")) == ("alloy", None)
    refused = await speak(gateway, "/v1/audio/speech", "Hello.", voice="unknown")
    assert refused.status_code == 404


async def test_clip_takes_precedence_over_a_standard_voice(tmp_path: Path, clip: bytes) -> None:
    gateway = in_memory(tmp_path, [FakeEngine()], aliases={"voices": {"nova": "ada"}})
    audio = base64.b64encode(clip).decode()
    response = await speak(gateway, "/v1/audio/speech", "Hello.", voice="nova", reference_audio=audio)
    assert (response.headers["x-voxgate-voice"], response.headers["x-voxgate-ignored"]) == ("reference", "voice")
