"""``/v1/audio/voices``: OpenAI's custom voices, and the voice list of similar servers."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.app import InMemory, in_memory


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def upload(gateway: InMemory, clip: bytes, file: str = "audio_sample", **fields: str) -> httpx.Response:
    form = {"name": "Ann", **fields}
    return await gateway.client.post("/v1/audio/voices", data=form, files={file: ("a.wav", clip, "audio/wav")})


async def listed(gateway: InMemory) -> list[dict[str, str]]:
    answer = (await gateway.client.get("/v1/audio/voices")).json()
    assert set(answer) == {"voices"}
    voices: list[dict[str, str]] = answer["voices"]
    return voices


async def test_stored_recording_can_be_used_as_voice(gateway: InMemory, clip: bytes) -> None:
    response = await upload(gateway, clip, consent="cons_1234")
    assert response.status_code == 200, response.text
    assert response.headers["x-voxgate-ignored"] == "consent"
    voice = response.json()
    assert set(voice) == {"id", "object", "name", "created_at", "type"}
    assert (voice["object"], voice["name"], voice["type"]) == ("audio.voice", "Ann", "audio_sample")
    assert abs(voice["created_at"] - time.time()) < 60
    assert await listed(gateway) == [
        {"id": voice["id"], "name": "Ann"},
        {"id": "ada", "name": "ada"},
        {"id": "grace", "name": "grace"},
    ]
    for name in ({"id": voice["id"]}, voice["id"], "ann"):
        spoken = await gateway.client.post("/v1/audio/speech", json={"input": "x", "voice": name})
        assert (spoken.status_code, spoken.headers["x-voxgate-voice"]) == (200, "Ann")
    assert (await upload(gateway, clip)).json() == voice, "repeating the upload changes nothing"


@pytest.mark.parametrize("file", ["audio", "file"])
@pytest.mark.parametrize("transcript", ["transcript", "ref_text"])
async def test_field_names_of_similar_servers_are_accepted(
    gateway: InMemory, clip: bytes, file: str, transcript: str
) -> None:
    response = await upload(gateway, clip, file, language="en", **{transcript: "what is said", "speaker": "x"})
    assert response.status_code == 200, response.text
    assert response.headers["x-voxgate-ignored"] == "speaker"
    (stored,) = gateway.app.state.services.voices.list()
    assert (stored.transcript, stored.language) == ("what is said", "en")


async def test_voice_upload_as_json_with_base64(gateway: InMemory, clip: bytes) -> None:
    body = {"name": "Ann", "audio_sample": base64.b64encode(clip).decode()}
    assert (await gateway.client.post("/v1/audio/voices", json=body)).status_code == 200


async def test_deleted_voice_is_404(gateway: InMemory, clip: bytes) -> None:
    voice = (await upload(gateway, clip)).json()
    response = await gateway.client.delete(f"/v1/audio/voices/{voice['id']}")
    assert response.status_code == 200
    assert response.json() == {"id": voice["id"], "object": "audio.voice.deleted", "deleted": True}
    again = await gateway.client.delete(f"/v1/audio/voices/{voice['id']}")
    assert again.status_code == 404
    error = again.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "voice_not_found")
    assert [entry["id"] for entry in await listed(gateway)] == ["ada", "grace"]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"name": ""}, 400, "name"),
        ({"name": "x" * 65}, 400, "name"),
        ({"name": "../x"}, 400, "name"),
        ({"name": "ada"}, 409, "name"),
        ({"type": "prompt"}, 400, "type"),
        ({"transcript": "x" * 1001}, 400, "transcript"),
        ({"language": "not a tag"}, 400, "language"),
    ],
)
async def test_invalid_field_is_named(
    gateway: InMemory, clip: bytes, fields: dict[str, Any], status: int, param: str
) -> None:
    response = await upload(gateway, clip, **fields)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert len(await listed(gateway)) == 2


async def test_unusable_clip_is_refused(gateway: InMemory, clip: bytes) -> None:
    assert (await upload(gateway, b"no audio at all")).status_code == 415
    short = await upload(gateway, clip[: 44 + 16000])
    assert (short.status_code, short.json()["error"]["param"]) == (400, "audio_sample")
    missing = await gateway.client.post("/v1/audio/voices", files={"name": (None, "x")})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "audio_sample")
