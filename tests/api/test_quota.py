"""Quotas over the API: bounded strings, damaged entries, and uploads for which the disk has no room."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from support.app import InMemory, in_memory

from gateway.errors import Conflict, InvalidRequest, LexiconNotFound
from gateway.text.lexicons import store as lexicon_store
from gateway.text.lexicons.document import LexiconDocument
from gateway.text.lexicons.store import LexiconStore

UPLOADS = {
    "/v1/voices": ({"name": "anna"}, "audio"),
    "/v1/audio/voices": ({"name": "anna"}, "audio_sample"),
    "/model": ({"title": "anna"}, "voices"),
    "/v1/references/add": ({"id": "anna", "text": ""}, "audio"),
}
LONG = "x" * 81_000


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        *(("/v1/voices", field, LONG) for field in ("name", "transcript", "language")),
        ("/v1/voices", "language", "en-" + "-".join(["abcdefgh"] * 9_000)),
        *(("/v1/audio/voices", field, LONG) for field in ("name", "transcript", "language")),
        *(("/model", field, LONG) for field in ("title", "texts")),
        *(("/v1/references/add", field, LONG) for field in ("id", "text")),
    ],
)
async def test_every_stored_string_is_bounded(
    gateway: InMemory, tmp_path: Path, clip: bytes, path: str, field: str, value: str
) -> None:
    fields, file = UPLOADS[path]
    answer = await gateway.client.post(path, data={**fields, field: value}, files={file: clip})
    assert answer.status_code in (400, 422), answer.text
    assert list((tmp_path / "voices").glob("voice-*")) == []


@pytest.mark.parametrize(("path", "file"), [(path, file) for path, (_, file) in UPLOADS.items()])
async def test_metadata_of_the_file_is_not_stored(
    gateway: InMemory, tmp_path: Path, clip: bytes, path: str, file: str
) -> None:
    answer = await gateway.client.post(
        path, data=UPLOADS[path][0], files={file: ("n" * 1_000, clip, "audio/" + "y" * 200)}
    )
    assert answer.status_code < 300, answer.text
    (record,) = (tmp_path / "voices").glob("voice-*/voice.json")
    assert record.stat().st_size < 500


@pytest.mark.parametrize("remove", ["/v1/voices/{}", "/v1/audio/voices/{}", "/model/{}"])
async def test_damaged_voice_is_listed_with_its_reason_and_removed(
    gateway: InMemory, tmp_path: Path, clip: bytes, remove: str
) -> None:
    stored = await gateway.client.post("/v1/voices", data={"name": "anna"}, files={"audio": clip})
    voice_id = stored.json()["id"]
    assert "damaged" not in (await gateway.client.get("/v1/voices")).json()
    (tmp_path / "voices" / voice_id / "voice.json").write_bytes(b"{")
    listed = (await gateway.client.get("/v1/voices")).json()
    assert [voice["kind"] for voice in listed["voices"]] == ["built-in", "built-in"]
    assert [voice["id"] for voice in listed["damaged"]] == [voice_id]
    assert "truncated" in listed["damaged"][0]["error"]
    assert (await gateway.client.delete(remove.format(voice_id))).status_code in (200, 204)
    assert "damaged" not in (await gateway.client.get("/v1/voices")).json()
    assert (await gateway.client.delete(remove.format(voice_id))).status_code == 404


@pytest.mark.parametrize("path", [*UPLOADS, "/v1/lexicons/words"])
async def test_upload_is_refused_before_its_body_is_read_if_the_disk_has_no_room(
    gateway: InMemory, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10_000, 7_000, 3_000))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"host", b"localhost"),
        (b"content-length", b"3001"),
        (b"content-type", b"multipart/form-data; boundary=x"),
    ]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "PUT" if "lexicons" in path else "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    await gateway.app(scope, receive, send)
    assert sent[0]["status"] == 507
    assert b"nothing of 3001 bytes can be stored: the disk has 3000 bytes left" in sent[1]["body"]


def document(**entries: str) -> LexiconDocument:
    return LexiconDocument(entries=entries)


def test_byte_quota_of_lexicons_counts_every_file(tmp_path: Path) -> None:
    store = LexiconStore(tmp_path, max_bytes=1_000)
    store.put("a", document(a="x" * 200))
    (tmp_path / "b.json").write_bytes(b"{" * 400)
    with pytest.raises(Conflict, match=r"the stored lexicons have \d+ bytes and this one \d+ \(limit: 1000 in all\)"):
        store.put("c", document(a="x" * 200, b="x" * 200))
    store.put("b", document(a="x" * 200, b="x" * 200))  # what it replaces does not count
    store.remove("b")
    store.put("c", document(a="x" * 200, b="x" * 200))


def test_folder_in_place_of_a_lexicon_is_listed_and_can_be_replaced_or_removed(tmp_path: Path) -> None:
    store = LexiconStore(tmp_path)
    for _ in range(2):
        (tmp_path / "a.json").mkdir()
        (tmp_path / "a.json" / "x").write_text("x")
        (summary,) = store.summaries()
        assert "Is a directory" in (summary.error or "")
        store.remove("a")
        assert store.names() == []
    (tmp_path / "a.json").mkdir()
    assert store.put("a", document(b="c"))[0].entries == {"b": "c"}


def test_lexicon_that_could_not_be_read_again_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon_store, "_MAX_FILE_BYTES", 300)
    store = LexiconStore(tmp_path)
    with pytest.raises(InvalidRequest, match="the limit is 300; split it"):
        store.put("a", document(a="x" * 200, b="x" * 200))
    with pytest.raises(LexiconNotFound):
        store.get("a")
