from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.app import InMemory, in_memory

from gateway.errors import ConfigError

URL = "/v1/lexicons/products"
ENTRIES = {"nginx": "engine x", "GPT-4": "g p t four", "微信": "威信"}
PLS_TYPE = {"content-type": "application/pls+xml"}


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, settings={"lexicons": {"default": ["products"]}})


async def test_stored_dictionary_is_shown_listed_replaced_and_removed(gateway: InMemory) -> None:
    client = gateway.client
    body = {"language": "en", "voices": ["heart"], "entries": ENTRIES}
    created = await client.put(URL, json=body)
    assert (created.status_code, created.json()) == (201, body)
    assert (await client.get(URL)).json() == body
    await client.put("/v1/lexicons/names", json={"entries": {"Siobhan": "shiv awn"}})
    assert (await client.get("/v1/lexicons")).json() == {
        "lexicons": [
            {"name": "names", "voices": [], "size": 1, "default": False},
            {"name": "products", "language": "en", "voices": ["heart"], "size": 3, "default": True},
        ]
    }
    replaced = await client.put(URL, json={"entries": {"a": "b"}, "language": None})
    assert (replaced.status_code, replaced.json()) == (200, {"voices": [], "entries": {"a": "b"}})
    store = gateway.app.state.services.lexicons
    assert [lexicon.name for lexicon in store.select(None)] == ["products"]
    removed = await client.delete(URL)
    assert (removed.status_code, removed.content) == (204, b"")
    for response in (await client.get(URL), await client.delete(URL)):
        error = response.json()["error"]
        assert (response.status_code, error["type"], error["param"]) == (404, "lexicon_not_found", "name")
        assert error["message"] == "unknown lexicon 'products'; stored ones: names"


async def test_pls_is_imported_and_exported(gateway: InMemory) -> None:
    pls = """<lexicon xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" xml:lang="en">
        <lexeme><grapheme>nginx</grapheme><grapheme>NGINX+</grapheme><alias>engine x</alias></lexeme>
        <lexeme><grapheme>Worcester</grapheme><phoneme>ˈwʊstə</phoneme></lexeme></lexicon>"""
    entries = {"nginx": "engine x", "NGINX+": "engine x"}
    for content_type in ("application/pls+xml; charset=utf-8", "application/xml", "text/xml"):
        stored = await gateway.client.put(URL, content=pls.encode(), headers={"content-type": content_type})
        assert stored.json() == {"language": "en", "voices": [], "entries": entries, "skipped": ["Worcester"]}
    exported = await gateway.client.get(URL, headers={"accept": "application/json;q=0.5, application/pls+xml"})
    assert exported.headers["content-type"].startswith("application/pls+xml")
    again = await gateway.client.put(URL, content=exported.content, headers=PLS_TYPE)
    assert (again.status_code, again.json()["entries"], again.json()["skipped"]) == (200, entries, [])
    assert (await gateway.client.get(URL, headers={"accept": "*/*"})).json()["entries"] == entries


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "entries", "Field required"),
        ({"entries": {"a": "b"}, "name": "x"}, "name", "unknown field; fields are: language, voices, entries"),
        ({"entries": {"a": 1}}, "entries.a", "valid string"),
        ({"entries": [["a", "b"]]}, "entries", "must be a JSON object"),
        ({"entries": {"a": "42"}}, "entries", "the respelling '42' of 'a' has no letter: write it in words"),
        ({"entries": {"a": "b"}, "language": "English"}, "language", "pattern"),
        ({"entries": {"a": "b"}, "language": "en" + "-abcdefgh" * 8}, "language", "at most 64 characters"),
        ({"entries": {"a": "b"}, "voices": "heart"}, "voices", "valid list"),
        ({"entries": {str(index): "b" for index in range(5001)}}, "entries", "5001 entries: the limit is 5000"),
        ([], None, "must be a JSON object"),
    ],
)
async def test_invalid_field_is_named(gateway: InMemory, body: Any, param: str | None, message: str) -> None:
    response = await gateway.client.put(URL, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (422, "invalid_request", param)
    assert message in error["message"]
    assert (await gateway.client.get("/v1/lexicons")).json() == {"lexicons": []}


@pytest.mark.parametrize(
    ("content", "headers", "status", "message"),
    [
        (b"<speak/>", PLS_TYPE, 422, "the root element is 'speak'"),
        (b"<!DOCTYPE lexicon><lexicon/>", PLS_TYPE, 422, "has a document type or entities"),
        (b"nginx,engine x", {"content-type": "text/csv"}, 415, "content type 'text/csv': send application/json or "),
        (b"{", {}, 422, "the body is not JSON"),
        (b'{"entries": {"\\ud800": "x"}}', {}, 422, ""),
        (b'{"entries": {' + b'"a":"b",' * 100_001 + b'"c":"d"}}', {}, 422, "too many fields: the limit is 100000"),
    ],
)
async def test_unreadable_body_is_refused(
    gateway: InMemory, content: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    response = await gateway.client.put(URL, content=content, headers=headers)
    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize("name", ["Products", "1", "a.b", "a" * 65, "%2e%2e%2fetc", "%00"])
async def test_invalid_name_is_refused(gateway: InMemory, name: str) -> None:
    assert (await gateway.client.get(f"/v1/lexicons/{name}")).status_code == 404
    assert (await gateway.client.delete(f"/v1/lexicons/{name}")).status_code == 404
    response = await gateway.client.put(f"/v1/lexicons/{name}", json={"entries": {}})
    assert response.status_code in (404, 422)  # a slash is another route
    assert (await gateway.client.get("/v1/lexicons")).json() == {"lexicons": []}


async def test_limits_are_settings(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"lexicons": 1, "lexicon_entries": 1, "body_bytes": 1024})
    assert (await gateway.client.put(URL, json={"entries": {"a": "b"}})).status_code == 201
    full = await gateway.client.put("/v1/lexicons/more", json={"entries": {"a": "b"}})
    assert (full.status_code, full.json()["error"]["type"]) == (409, "conflict")
    assert (await gateway.client.put(URL, json={"entries": {"a": "b", "c": "d"}})).status_code == 422
    assert (await gateway.client.put(URL, content=b"<lexicon>" * 200, headers=PLS_TYPE)).status_code == 413


async def test_damaged_file_is_listed_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "lexicons").mkdir()
    (tmp_path / "lexicons" / "bad.json").write_text("{")
    gateway = in_memory(tmp_path)
    (summary,) = (await gateway.client.get("/v1/lexicons")).json()["lexicons"]
    assert summary["name"] == "bad"
    assert "the file of the lexicon 'bad' is damaged: Invalid JSON" in summary["error"]
    assert (await gateway.client.get("/v1/lexicons/bad")).status_code == 404
    assert (await gateway.client.put("/v1/lexicons/bad", json={"entries": {"a": "b"}})).status_code == 200


def test_unusable_folder_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "lexicons").write_text("")
    with pytest.raises(ConfigError, match=r"data_dir: .*/lexicons cannot be used: Not a directory"):
        in_memory(tmp_path)


async def test_keys_are_required(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": "0" * 64}}}
    client = in_memory(tmp_path, settings={"access": access}).client
    for method in ("GET", "PUT", "DELETE"):
        assert (await client.request(method, URL, json={"entries": {"a": "b"}})).status_code == 401
    assert (await client.get("/v1/lexicons")).status_code == 401


async def test_every_operation_is_documented(gateway: InMemory) -> None:
    paths = (await gateway.client.get("/openapi.json")).json()["paths"]
    put = paths["/v1/lexicons/{name}"]["put"]
    assert set(put["requestBody"]["content"]) == {"application/json", "application/pls+xml"}
    assert set(put["responses"]) >= {"200", "201"}
    assert "entries" in json.dumps(put["requestBody"])
    assert set(paths["/v1/lexicons/{name}"]) == {"get", "put", "delete"}
    assert "204" in paths["/v1/lexicons/{name}"]["delete"]["responses"]
