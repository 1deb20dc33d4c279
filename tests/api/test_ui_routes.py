"""The page's files and their response headers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.app import in_memory

from gateway.audio.formats import FORMATS
from gateway.service.auth import key_hash

STATIC = Path(__file__).parents[2] / "gateway/webui/static"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_page_and_modules_have_restrictive_headers(tmp_path: Path) -> None:
    client = in_memory(tmp_path).client
    for path, content_type in (("", "text/html"), ("app.js", "javascript"), ("strings/en.json", "application/json")):
        response = await client.get(f"/ui/{path}")
        assert response.status_code == 200
        assert content_type in response.headers["content-type"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


async def test_unchanged_file_is_not_sent_again(tmp_path: Path) -> None:
    client = in_memory(tmp_path).client
    etag = (await client.get("/ui/app.js")).headers["etag"]
    again = await client.get("/ui/app.js", headers={"if-none-match": etag})
    assert again.status_code == 304
    assert "content-security-policy" in again.headers


@pytest.mark.parametrize("path", ["/ui/nothing.js", "/ui/../files.py", "/ui/%2e%2e/files.py", "/ui/speak"])
async def test_only_files_of_the_page_are_served(tmp_path: Path, path: str) -> None:
    response = await in_memory(tmp_path).client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "not_found"


@pytest.mark.parametrize(
    ("root_path", "url", "location"),
    [("", "/", "ui/"), ("", "/ui", "ui/"), ("/speech", "/speech", "/speech/ui/"), ("/speech", "/speech/ui", "ui/")],
)
async def test_browser_is_redirected_to_the_page(tmp_path: Path, root_path: str, url: str, location: str) -> None:
    client = in_memory(tmp_path, settings={"root_path": root_path}).client
    response = await client.get(url, headers=BROWSER)
    assert response.status_code == 307
    assert response.headers["location"] == location


async def test_program_gets_json_with_a_link_to_the_page(tmp_path: Path) -> None:
    response = await in_memory(tmp_path).client.get("/")
    assert response.json()["links"]["ui"].endswith("/ui/")


async def test_disabled_page_is_not_served_or_linked(tmp_path: Path) -> None:
    client = in_memory(tmp_path, settings={"ui": {"enabled": False}}).client
    assert (await client.get("/ui/")).status_code == 404
    assert "ui" not in (await client.get("/")).json()["links"]
    assert "/docs" in (await client.get("/", headers=BROWSER)).text


async def test_page_needs_no_key_and_its_requests_do(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": key_hash("vox_" + "k" * 43)}}}
    client = in_memory(tmp_path, settings={"access": access}).client
    assert (await client.get("/ui/")).status_code == 200
    assert (await client.get("/ui/app.js")).status_code == 200
    assert (await client.get("/v1/engines")).status_code == 401


def test_languages_have_the_same_strings_and_placeholders() -> None:
    strings = {path.stem: json.loads(path.read_text()) for path in (STATIC / "strings").glob("*.json")}
    assert set(strings) == {"en", "zh-Hans", "zh-Hant"}
    shapes = [{key: sorted(re.findall(r"\{\w+\}", text)) for key, text in one.items()} for one in strings.values()]
    assert shapes[0] == shapes[1] == shapes[2]


def test_every_string_that_the_code_names_exists() -> None:
    strings = json.loads((STATIC / "strings/en.json").read_text())
    code = "\n".join(path.read_text() for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
    used = set(re.findall(r"\bt\('([\w.]+)'", code))
    assert used
    assert used - strings.keys() == set()


def test_page_offers_every_format() -> None:
    code = (STATIC / "request/settings.js").read_text()
    (listed,) = re.findall(r"FORMATS = \{(.*?)\}", code, re.DOTALL)
    assert dict(re.findall(r"(\w+): '(\w+)'", listed)) == {name: fmt.extension for name, fmt in FORMATS.items()}


def test_code_names_no_other_origin() -> None:
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".html", ".css") and "vendor" not in path.parts:
            assert not re.search(r"(https?:)?//\w+\.\w", path.read_text()), path
