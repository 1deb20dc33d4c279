from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.app import InMemory, in_memory
from support.gateway_process import read_audio

from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def upload(gateway: InMemory, clip: bytes, name: str = "Mein Name", **fields: str):  # type: ignore[no-untyped-def]
    return await gateway.client.post(
        "/v1/voices", data={"name": name, "transcript": "what is said", **fields}, files={"audio": ("a.wav", clip)}
    )


async def test_uploaded_voice_is_listed_downloadable_and_cloned(gateway: InMemory, clip: bytes) -> None:
    created = await upload(gateway, clip, language="en")
    assert created.status_code == 201, created.text
    voice = created.json()
    assert (voice["name"], voice["kind"], voice["duration_s"], voice["sample_rate"]) == (
        "Mein Name",
        "stored",
        2.0,
        16000,
    )
    listed = (await gateway.client.get("/v1/voices")).json()["voices"]
    assert [entry["name"] for entry in listed] == ["Mein Name", "ada", "grace"]
    samples, rate = read_audio((await gateway.client.get(f"/v1/voices/{voice['id']}/audio")).content)
    assert (len(samples), rate) == (32000, 16000)
    for name in ("Mein Name", voice["id"]):
        spoken = await gateway.client.post("/tts", json={"text": "x", "voice": name})
        assert spoken.status_code == 200, spoken.text
        assert spoken.headers["x-voxgate-voice"] == "Mein Name"
        job = gateway.engine.jobs[-1]
        assert job.reference is not None
        assert (job.reference.text, len(job.reference.audio)) == ("what is said", 32000)


async def test_repeated_upload_changes_nothing(gateway: InMemory, clip: bytes) -> None:
    first, second = await upload(gateway, clip), await upload(gateway, clip)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


async def test_non_ascii_voice_name_is_encoded_in_the_header(gateway: InMemory, clip: bytes) -> None:
    await upload(gateway, clip, name="小明")
    spoken = await gateway.client.post("/tts", json={"text": "x", "voice": "小明"})
    assert unquote(spoken.headers["x-voxgate-voice"]) == "小明"


async def test_removed_voice_is_404(gateway: InMemory, clip: bytes) -> None:
    voice = (await upload(gateway, clip)).json()
    assert (await gateway.client.delete(f"/v1/voices/{voice['id']}")).status_code == 204
    for response in (
        await gateway.client.delete(f"/v1/voices/{voice['id']}"),
        await gateway.client.get(f"/v1/voices/{voice['id']}/audio"),
        await gateway.client.post("/tts", json={"text": "x", "voice": voice["id"]}),
    ):
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "voice_not_found"


async def test_renamed_voice_keeps_its_id_and_clip(gateway: InMemory, clip: bytes) -> None:
    voice = (await upload(gateway, clip, language="en")).json()
    audio = (await gateway.client.get(f"/v1/voices/{voice['id']}/audio")).content
    by_name = await gateway.client.patch("/v1/voices/mein%20name", json={"name": "小明"})
    assert (by_name.status_code, by_name.json()) == (200, {**voice, "name": "小明"})
    by_id = await gateway.client.patch(f"/v1/voices/{voice['id']}", files={"name": (None, "Ann")})
    assert by_id.json()["name"] == "Ann"
    assert (await gateway.client.get("/v1/voices")).json()["voices"][0] == by_id.json()
    assert (await gateway.client.get("/v1/voices/Ann/audio")).content == audio
    assert (await gateway.client.get("/v1/voices/Mein%20Name/audio")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"name": "ADA"}, 409, "name"),
        ({"name": "Other"}, 409, "name"),
        ({"name": "a/b"}, 422, "name"),
        ({"name": 7}, 422, "name"),
        ({"name": "x" * 65}, 422, "name"),
        ({}, 422, "name"),
        ({"name": "x", "transcript": "y"}, 422, "transcript"),
    ],
)
async def test_invalid_rename_names_the_field_and_changes_nothing(
    gateway: InMemory, clip: bytes, body: dict[str, str], status: int, param: str
) -> None:
    await upload(gateway, clip)
    await upload(gateway, clip, name="Other", transcript="other words")
    response = await gateway.client.patch("/v1/voices/Mein Name", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text
    names = [entry["name"] for entry in (await gateway.client.get("/v1/voices")).json()["voices"]]
    assert names == ["Mein Name", "Other", "ada", "grace"]


@pytest.mark.parametrize("name", ["nobody", "ada", "..%2fx"])
async def test_rename_of_a_voice_that_is_not_stored_is_404(gateway: InMemory, name: str) -> None:
    assert (await gateway.client.patch(f"/v1/voices/{name}", json={"name": "x"})).status_code == 404


async def test_list_has_the_limits_on_clips(tmp_path: Path) -> None:
    limits = {"reference_min_s": 2, "reference_max_s": 9.5, "body_bytes": 4096}
    listed = (await in_memory(tmp_path, limits=limits).client.get("/v1/voices")).json()
    assert listed["clips"] == {"min_s": 2.0, "max_s": 9.5, "max_bytes": 4096}


async def test_voice_is_stored_from_json(gateway: InMemory, clip: bytes) -> None:
    body = {"name": "Ann", "transcript": "said", "audio": base64.b64encode(clip).decode()}
    assert (await gateway.client.post("/v1/voices", json=body)).status_code == 201
    assert (await gateway.client.get("/v1/voices/Ann/audio")).content == clip


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"name": "../../etc/passwd"}, 422, "name"),
        ({"name": ""}, 422, "name"),
        ({"name": "x" * 65}, 422, "name"),
        ({"name": "ADA"}, 409, "name"),
        ({"transcript": "x" * 1001}, 422, "transcript"),
        ({"language": "not a tag"}, 422, "language"),
        ({"surname": "x"}, 422, "surname"),
    ],
)
async def test_invalid_upload_field_is_named(
    gateway: InMemory, clip: bytes, fields: dict[str, str], status: int, param: str
) -> None:
    response = await upload(gateway, clip, **fields)
    assert response.status_code == status, response.text
    assert response.json()["error"]["param"] == param
    assert len((await gateway.client.get("/v1/voices")).json()["voices"]) == 2


async def test_unusable_clip_is_refused(gateway: InMemory, clip: bytes) -> None:
    assert (await upload(gateway, b"no audio at all")).status_code == 415
    short = await upload(gateway, clip[: 44 + 16000])
    assert (short.status_code, short.json()["error"]["param"]) == (422, "audio")
    missing = await gateway.client.post("/v1/voices", files={"name": (None, "x")})
    assert (missing.status_code, missing.json()["error"]["param"]) == (422, "audio")


async def test_taken_name_is_a_conflict(gateway: InMemory, clip: bytes) -> None:
    await upload(gateway, clip)
    other = await upload(gateway, clip, transcript="something else")
    assert (other.status_code, other.json()["error"]["param"]) == (409, "name")


async def test_stored_voice_is_refused_by_an_engine_without_cloning(tmp_path: Path, clip: bytes) -> None:
    from dataclasses import replace

    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, cloning="none"))])
    await upload(gateway, clip)
    response = await gateway.client.post("/tts", json={"text": "x", "voice": "Mein Name"})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "voice")


async def test_paths_in_voice_ids_are_404(gateway: InMemory) -> None:
    for path in ("..%2f..%2fetc%2fpasswd", "%2e%2e", "voice-0000000000000000%2f..", "%00"):
        assert (await gateway.client.get(f"/v1/voices/{path}/audio")).status_code == 404
