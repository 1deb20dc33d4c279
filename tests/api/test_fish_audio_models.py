"""``/model`` and ``/v1/references``: stored voices in the Fish Audio APIs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import ormsgpack
import pytest
from fish_audio_sdk.schemas import ModelEntity
from fishaudio.types import Voice
from support.app import InMemory, in_memory


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def create(
    gateway: InMemory, clip: bytes, title: str = "Mine", text: str = "said", **more: Any
) -> httpx.Response:
    data = {"title": title, "visibility": "private", "type": "tts", "train_mode": "fast", "texts": [text], **more}
    return await gateway.client.post("/model", data=data, files=[("voices", clip)])


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"status", "message"}
    return response.json()["message"]


async def test_created_model_is_a_stored_voice_with_all_client_fields(gateway: InMemory, clip: bytes) -> None:
    response = await create(gateway, clip)
    assert response.status_code == 201, response.text
    assert "x-voxgate-ignored" not in response.headers
    entity = response.json()
    for kind in (ModelEntity, Voice):
        assert kind.model_validate(entity).title == "Mine"
    got = await gateway.client.get(f"/model/{entity['_id']}")
    assert got.json() == entity == (await gateway.client.get("/model/Mine")).json()
    (sample,) = entity["samples"]
    assert sample["text"] == "said"
    assert (await gateway.client.get(sample["audio"])).content[:4] == b"RIFF"
    spoken = await gateway.client.post("/v1/tts", json={"text": "x", "reference_id": entity["_id"]})
    assert spoken.headers["x-voxgate-voice"] == "Mine"
    again = await create(gateway, clip)
    assert (again.status_code, again.json()) == (200, entity)


async def test_unsupported_model_fields_are_reported(gateway: InMemory, clip: bytes) -> None:
    data = {
        "title": "Mine",
        "description": "deep",
        "visibility": "public",
        "tags": ["a", "b"],
        "texts": ["one", "two"],
        "enhance_audio_quality": "true",
        "train_mode": "fast",
        "mood": "glad",
    }
    files = [("voices", clip), ("cover_image", b"\x89PNG")]
    response = await gateway.client.post("/model", data=data, files=files)
    assert response.status_code == 201, response.text
    assert set(response.headers["x-voxgate-ignored"].split(", ")) == {
        *("texts.1", "description", "visibility", "tags", "enhance_audio_quality", "mood", "cover_image")
    }
    assert response.json()["samples"][0]["text"] == "one"


async def test_further_recording_of_a_model_is_an_error(gateway: InMemory, clip: bytes) -> None:
    for files, param in (([("voices", clip)] * 2, "voices.1"), ([("voices", clip), ("sample", clip)], "sample")):
        response = await gateway.client.post("/model", data={"title": "Mine"}, files=files)
        assert error_of(response, 422).startswith(f"{param}: ")
    assert (await gateway.client.get("/model")).json()["total"] == 0


async def test_model_without_transcript_is_stored(gateway: InMemory, clip: bytes) -> None:
    response = await gateway.client.post("/model", data={"title": "Mute"}, files=[("voices", clip)])
    assert response.json()["samples"][0]["text"] == ""


async def test_model_list_is_filtered_sorted_and_paged(gateway: InMemory, clip: bytes) -> None:
    for number, name in enumerate(("Carl", "Ann", "Bob")):
        upload = {"name": name, "transcript": f"text {number}", "language": ("en", "de-AT", "en-GB")[number]}
        await gateway.client.post("/v1/voices", data=upload, files={"audio": clip})

    async def titles(**query: Any) -> tuple[int, list[str]]:
        response = await gateway.client.get("/model", params=query)
        assert response.status_code == 200, response.text
        return response.json()["total"], [entity["title"] for entity in response.json()["items"]]

    assert await titles() == (3, ["Ann", "Bob", "Carl"])
    assert await titles(page_size=2, page_number=2) == (3, ["Carl"])
    assert await titles(page_size=2, page_number=9) == (3, [])
    assert await titles(title="AN") == (1, ["Ann"])
    assert await titles(language="en") == (2, ["Bob", "Carl"])
    assert await titles(language="English") == (2, ["Bob", "Carl"])
    assert await titles(language="no language") == (0, [])
    assert await titles(language=["de", "en-US"]) == (3, ["Ann", "Bob", "Carl"])
    assert await titles(tag="deep") == (0, [])
    assert await titles(author_id="voxgate", self=True) == (3, ["Ann", "Bob", "Carl"])
    assert await titles(author_id="someone") == (0, [])
    assert sorted((await titles(sort_by="created_at"))[1]) == ["Ann", "Bob", "Carl"]
    for query in ({"page_size": 0}, {"page_size": 101}, {"page_number": 0}, {"title": "x" * 129}):
        response = await gateway.client.get("/model", params=query)
        assert error_of(response, 422).startswith(f"{next(iter(query))}: ")


async def test_renamed_model_keeps_its_id(gateway: InMemory, clip: bytes) -> None:
    entity = (await create(gateway, clip)).json()
    await create(gateway, clip, title="Other", text="something else")
    path = f"/model/{entity['_id']}"
    renamed = await gateway.client.patch(path, data={"title": "Yours", "tags": ["x"]})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Yours")
    assert renamed.headers["x-voxgate-ignored"] == "tags"
    assert (await gateway.client.get("/model/Yours")).json()["_id"] == entity["_id"]
    assert (await gateway.client.get("/model/Mine")).status_code == 404
    assert (await gateway.client.patch(path, data={"title": "YOURS"})).json()["title"] == "YOURS"
    assert (await gateway.client.patch(path, files=[("cover_image", b"x")])).json()["title"] == "YOURS"
    for title, status in (("other", 409), ("ada", 409), ("a/b", 422), ("", 422)):
        message = error_of(await gateway.client.patch(path, data={"title": title}), status)
        assert message.startswith("title: ")
    assert error_of(await gateway.client.patch("/model/nobody", data={"title": "x"}), 404)


async def test_deleted_model_is_404(gateway: InMemory, clip: bytes) -> None:
    entity = (await create(gateway, clip)).json()
    assert (await gateway.client.delete(f"/model/{entity['_id']}")).status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        response = await gateway.client.request(method, f"/model/{entity['_id']}", data={"title": "x"})
        assert error_of(response, 404)


@pytest.mark.parametrize(
    ("data", "files", "status", "param"),
    [
        ({"title": "Mine"}, [], 422, "voices"),
        ({"title": "Mine", "voices": "text"}, [], 422, "voices"),
        ({}, [("voices", None)], 422, "title"),
        ({"title": ["a", "b"]}, [("voices", None)], 422, "title"),
        ({"title": "a/b"}, [("voices", None)], 422, "title"),
        ({"title": "ada"}, [("voices", None)], 409, "title"),
        ({"title": "Mine", "texts": "x" * 1001}, [("voices", None)], 422, "texts"),
        ({"title": "Mine"}, [("voices", b"no sound")], 415, "voices"),
    ],
)
async def test_invalid_model_field_is_named(
    gateway: InMemory, clip: bytes, data: dict, files: list, status: int, param: str
) -> None:
    files = [(name, clip if content is None else content) for name, content in files]
    response = await gateway.client.post("/model", data=data, files=files)
    assert error_of(response, status).startswith(f"{param}: ")
    assert (await gateway.client.get("/model")).json()["total"] == 0


async def test_too_many_form_parts_are_refused(gateway: InMemory) -> None:
    files = [("voices", b"x")] * 17
    assert error_of(await gateway.client.post("/model", data={"title": "x"}, files=files), 400)
    fields = {f"field{number}": "x" for number in range(65)}
    assert error_of(await gateway.client.post("/model", data=fields, files=files[:1]), 400)


JSON = {"accept": "application/json"}


async def add(gateway: InMemory, clip: bytes, name: str = "mine", text: str = "said", **more: Any) -> httpx.Response:
    files = {"audio": ("a.wav", clip)}
    return await gateway.client.post("/v1/references/add", data={"id": name, "text": text}, files=files, **more)


async def test_references_can_be_added_listed_renamed_and_deleted(gateway: InMemory, clip: bytes) -> None:
    added = await add(gateway, clip)
    assert (added.status_code, added.headers["content-type"]) == (200, "application/msgpack")
    answer = ormsgpack.unpackb(added.content)
    assert (answer["success"], answer["reference_id"]) == (True, "mine")
    listed = await gateway.client.get("/v1/references/list", headers=JSON)
    assert listed.headers["content-type"] == "application/json"
    assert (listed.json()["success"], listed.json()["reference_ids"]) == (True, ["mine"])
    spoken = await gateway.client.post("/v1/tts", json={"text": "x", "reference_id": "mine"})
    assert spoken.headers["x-voxgate-voice"] == "mine"
    names = {"old_reference_id": "mine", "new_reference_id": "yours"}
    packed = {"content": ormsgpack.packb(names), "headers": {"content-type": "application/msgpack"}}
    renamed = await gateway.client.post("/v1/references/update?format=json", **packed)
    assert renamed.json() == {"success": True, "message": "the voice 'mine' is renamed to 'yours'", **names}
    deleted = await gateway.client.request("DELETE", "/v1/references/delete", json={"reference_id": "yours"})
    assert ormsgpack.unpackb(deleted.content)["reference_id"] == "yours"
    assert ormsgpack.unpackb((await gateway.client.get("/v1/references/list")).content)["reference_ids"] == []


async def test_reference_errors_have_the_fish_speech_envelope(gateway: InMemory, clip: bytes) -> None:
    await add(gateway, clip)
    body = {"old_reference_id": "mine", "new_reference_id": "a/b"}
    good = {"old_reference_id": "mine", "new_reference_id": "free"}
    cases = [
        (await add(gateway, clip), 409, "id"),
        (await add(gateway, clip, text="something else"), 409, "id"),
        (await add(gateway, clip, name="ada"), 409, "id"),
        (await add(gateway, clip, name="a/b"), 422, "id"),
        (await add(gateway, b"no sound", name="new"), 415, "audio"),
        (await gateway.client.post("/v1/references/add", data={"id": "x", "text": "y", "audio": "z"}), 422, "audio"),
        (await gateway.client.request("DELETE", "/v1/references/delete", json={}), 422, "reference_id"),
        (
            await gateway.client.request("DELETE", "/v1/references/delete", data={"reference_id": "x"}),
            404,
            "reference_id",
        ),
        (await gateway.client.post("/v1/references/update", json=body), 422, "new_reference_id"),
        (await gateway.client.post("/v1/references/update", json={**good, "old_reference_id": "x"}), 404, ""),
    ]
    for response, status, param in cases:
        assert response.status_code == status, response.text
        answer = response.json()
        assert (answer["success"], answer["statusCode"]) == (False, status)
        assert answer["error"]
        assert answer["message"].startswith(f"{param}: ") or not param
