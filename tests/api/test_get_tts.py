"""``GET /tts`` for players and ``<audio src>``, its protection from other sites' pages, and origins of apps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.app import InMemory, in_memory
from support.gateway_process import read_audio

from gateway.errors import ConfigError
from gateway.service.auth import key_hash
from gateway.settings_sources import load_settings

URL = "/tts?text=Hello."
PAGE = "https://app.example.com"
KEY = "vox_" + "k" * 43


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def test_get_equals_post_with_the_same_fields(gateway: InMemory) -> None:
    fields = {"text": "Grüße & 50%", "format": "mp3", "seed": 7, "speed": 1.5, "voice": "ada", "normalize": False}
    got = await gateway.client.get("/tts", params=fields)
    posted = await gateway.client.post("/tts", json=fields)
    assert got.status_code == posted.status_code == 200, got.text
    assert got.content == posted.content
    assert got.headers["content-type"] == "audio/mpeg"
    assert int(got.headers["content-length"]) == len(got.content)
    assert got.headers["accept-ranges"] == "none"
    assert got.headers["cache-control"] == "private"


async def test_get_streams_and_wraps_as_post(gateway: InMemory) -> None:
    streamed = await gateway.client.get(f"{URL}&stream=true&format=flac&seed=1")
    posted = await gateway.client.post(f"{URL}&stream=true&format=flac&seed=1")
    assert streamed.content == posted.content
    assert "content-length" not in streamed.headers
    assert streamed.headers["x-accel-buffering"] == "no"
    assert (await gateway.client.get(f"{URL}&response=base64")).json()["format"] == "wav"


async def test_range_request_gets_the_whole_file(gateway: InMemory) -> None:
    answer = await gateway.client.get(URL, headers={"range": "bytes=0-1"})
    assert answer.status_code == 200
    assert len(read_audio(answer.content)[0]) == 4800


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("", "text"),
        ("text=", "text"),
        ("text=a&text=b", "text"),
        ("text=a&speed=9", "speed"),
        ("text=a&texts=b", "texts"),
        ("text=a&options={}", "options"),
        ("text=a&reference_audio=AAAA", "reference_audio"),
        ("text=a&format=wma", "format"),
    ],
)
async def test_invalid_query_is_422_for_get_and_head(gateway: InMemory, query: str, param: str) -> None:
    answer = await gateway.client.get(f"/tts?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert (await gateway.client.head(f"/tts?{query}")).status_code == 422


async def test_content_type_of_a_get_without_body_is_ignored(gateway: InMemory) -> None:
    assert (await gateway.client.get(URL, headers={"content-type": "text/html"})).status_code == 200


async def test_head_has_the_content_type_and_speaks_nothing(gateway: InMemory) -> None:
    for query, content_type in (("&format=opus", "audio/ogg"), ("&response=base64", "application/json")):
        answer = await gateway.client.head(URL + query)
        assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
        assert answer.headers["accept-ranges"] == "none"
        assert "content-length" not in answer.headers
    assert (await gateway.client.head(f"{URL}&engine=none")).status_code == 404
    assert gateway.engine.jobs == []


async def test_get_needs_a_key_as_post_does(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}}
    gateway = in_memory(tmp_path, settings={"access": access})
    assert (await gateway.client.get(URL)).status_code == 401
    assert (await gateway.client.head(URL)).status_code == 401
    assert (await gateway.client.get(URL, headers={"x-api-key": KEY})).status_code == 200


async def test_public_path_is_public_for_head_too(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}, "open": ["/v1/voices"]}
    gateway = in_memory(tmp_path, settings={"access": access})
    assert (await gateway.client.head("/v1/voices")).status_code == 200
    assert (await gateway.client.head("/metrics")).status_code == 401


HOST = {"host": "localhost:8000"}
OWN = "http://localhost:8000"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a player, curl
        ({"sec-fetch-site": "none"}, 200),  # typed, or a bookmark
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin", "referer": f"{OWN}/docs"}, 200),
        ({"referer": f"{OWN}/docs"}, 200),
        ({"referer": OWN}, 200),
        ({"referer": "about:client"}, 200),
        ({"origin": OWN}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "referer": "https://evil.example/a"}, 403),
        ({"referer": "https://evil.example/http://localhost:8000/"}, 403),
        ({"referer": "http://localhost:8000.evil.example/"}, 403),
        ({"referer": "http://localhost:8000@evil.example/"}, 403),
        ({"referer": "http://localhost:9999/"}, 403),
        ({"referer": "http://["}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://evil.example", "referer": f"{OWN}/"}, 403),
        ({"origin": "app://localhost:8000"}, 403),
        ({"sec-fetch-site": "cross-site", "referer": f"{PAGE}/"}, 200),
        ({"sec-fetch-site": "cross-site", "origin": PAGE}, 200),
        ({"sec-fetch-site": "cross-site", "origin": PAGE, "referer": "https://evil.example/"}, 200),
    ],
)
async def test_get_is_refused_to_pages_of_other_sites(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    gateway = in_memory(tmp_path, settings={"cors": {"origins": [PAGE]}})
    for method in ("GET", "HEAD"):
        answer = await gateway.client.request(method, URL, headers={**HOST, **headers})
        assert answer.status_code == status, headers
    assert len(gateway.engine.jobs) == (status == 200)
    # Other GETs cost nothing, and pages of other sites cannot read them.
    assert (await gateway.client.get("/v1/voices", headers={**HOST, **headers})).status_code == 200


async def test_page_of_a_rebound_name_cannot_get_without_keys(tmp_path: Path) -> None:
    headers = {"host": "evil.example", "referer": "http://evil.example/"}
    assert (await in_memory(tmp_path / "a").client.get(URL, headers=headers)).status_code == 403
    listed = in_memory(tmp_path / "b", settings={"cors": {"origins": ["http://evil.example"]}})
    assert (await listed.client.get(URL, headers=headers)).status_code == 200


async def test_refusal_of_a_page_that_hides_its_address_says_how_to_allow_it(gateway: InMemory) -> None:
    answer = await gateway.client.get(URL, headers={"sec-fetch-site": "cross-site"})
    assert answer.json()["error"]["type"] == "cross_site"
    assert "attribute crossorigin" in answer.json()["error"]["message"]


async def test_any_origin_may_get_with_keys(tmp_path: Path) -> None:
    settings = {"cors": {"origins": ["*"]}, "access": {"keys": {"ann": {"sha256": key_hash(KEY)}}}}
    gateway = in_memory(tmp_path, settings=settings)
    for site in ({"sec-fetch-site": "cross-site"}, {"referer": PAGE}, {"origin": "app://x"}):
        assert (await gateway.client.get(URL, headers={"x-api-key": KEY, **site})).status_code == 200


APPS = [
    "app://obsidian.md",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f",
    "capacitor://localhost",
    "tauri://localhost",
    "vscode-webview://0abc",
    "file://",
    "null",
]


@pytest.mark.parametrize("origin", APPS)
async def test_origin_of_an_app_can_be_allowed(tmp_path: Path, origin: str) -> None:
    listed = in_memory(tmp_path / "a", settings={"cors": {"origins": [origin]}})
    unlisted = in_memory(tmp_path / "b", settings={"cors": {"origins": [PAGE]}})
    asked = {"origin": origin, "access-control-request-method": "POST"}
    for gateway, status, preflight in ((listed, 200, 200), (unlisted, 403, 400)):
        answer = await gateway.client.post("/tts", json={"text": "Hello."}, headers={"origin": origin})
        assert answer.status_code == status
        assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
        assert (await gateway.client.options("/tts", headers=asked)).status_code == preflight
        assert (await gateway.client.get(URL, headers={"origin": origin})).status_code == status


def test_configuration_with_origins_of_apps_loads(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"default_engine: a\nengines: {{a: {{backend: tone}}}}\ncors: {{origins: {APPS!r}}}\n")
    assert list(load_settings(path).cors.origins) == APPS


@pytest.mark.parametrize(
    "origin",
    ["app://obsidian.md/", "app:obsidian.md", "://x", "obsidian.md", "a b://x", "app://x@y", "file:///", "Null"],
)
def test_malformed_origin_is_refused(tmp_path: Path, origin: Any) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"default_engine: a\nengines: {{a: {{backend: tone}}}}\ncors: {{origins: ['{origin}']}}\n")
    with pytest.raises(ConfigError, match=r"cors\.origins\.0"):
        load_settings(path)
