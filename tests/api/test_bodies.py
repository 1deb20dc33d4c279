"""Bodies and data URLs as clients really send them: byte-order marks, other encodings, compression, browsers' URLs."""

from __future__ import annotations

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.app import InMemory, in_memory

from gateway.api.common.body import decode_base64
from gateway.errors import InvalidRequest

ROUTES = {
    "/tts": {"text": "Hello."},
    "/invocations": {"text": "Hello."},
    "/v1/audio/speech": {"input": "Hello."},
    "/v1/tts": {"text": "Hello."},
    "/v1/text": {"text": "Hello."},
}
JSON = {"content-type": "application/json"}


@pytest.fixture
async def gateway(tmp_path: Path) -> InMemory:
    running = in_memory(tmp_path)
    await running.client.post("/tts", json={"text": "loads the engine"})
    return running


def message_of(answer: dict[str, Any]) -> str:
    error = answer.get("error")
    found: str = error["message"] if isinstance(error, dict) else answer["message"]
    return found


@pytest.mark.parametrize("path", ROUTES)
async def test_byte_order_mark_before_json_is_skipped(gateway: InMemory, path: str) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(ROUTES[path]).encode()
    answer = await gateway.client.post(path, content=body, headers=JSON)
    assert answer.status_code == 200, answer.text


async def test_byte_order_mark_before_plain_text_is_skipped(gateway: InMemory) -> None:
    body = b"\xef\xbb\xbfHello."
    answer = await gateway.client.post("/invocations", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 200
    assert gateway.engine.jobs[-1].text == "Hello."


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("path", ROUTES)
async def test_json_in_another_encoding_is_an_error_that_names_it(gateway: InMemory, path: str, encoding: str) -> None:
    body = json.dumps(ROUTES[path]).encode(encoding)
    answer = await gateway.client.post(path, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert f"looks like {encoding.upper()}: send UTF-8" in message_of(answer.json())


async def test_json_in_latin_1_is_an_error_that_names_utf_8(gateway: InMemory) -> None:
    answer = await gateway.client.post("/tts", content='{"text":"Café."}'.encode("latin-1"), headers=JSON)
    assert answer.status_code == 422
    assert "utf-8" in message_of(answer.json()).lower()


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "GZIP", "gzip, br"])
@pytest.mark.parametrize("path", [*ROUTES, "/v1/voices", "/v1/models/default/invoke"])
async def test_compressed_body_is_415_that_names_the_encoding(gateway: InMemory, path: str, encoding: str) -> None:
    body = gzip.compress(b'{"text":"Hello."}')
    answer = await gateway.client.post(path, content=body, headers={**JSON, "content-encoding": encoding})
    assert answer.status_code == 415
    assert f"unsupported Content-Encoding '{encoding}'" in message_of(answer.json())


async def test_body_that_is_declared_as_not_compressed_is_accepted(gateway: InMemory) -> None:
    answer = await gateway.client.post("/tts", json={"text": "Hello."}, headers={"content-encoding": "identity"})
    assert answer.status_code == 200


AUDIO = bytes(range(256)) * 3
ENCODED = base64.b64encode(AUDIO).decode()


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "data:audio/wav;base64,",
        "data:audio/ogg; codecs=opus;base64,",
        "data:audio/ogg;codecs=opus;base64,",
        'data:audio/ogg; codecs="opus";base64,',
        "data:audio/ogg;codecs='opus';base64,",
        "data:video/webm;codecs=vp8,opus;base64,",
        'data:video/webm;codecs="vp8, opus" ; base64 ,',
        "DATA:AUDIO/WAV;BASE64,",
        "Data:Audio/X-WAV;Base64,",
        " data:audio/wav;base64,",
        "data:;base64,",
        "data: ;base64,",
        "data:application/octet-stream;name=my%20clip.wav;base64,",
        "data:audio/mpeg;charset=utf-8;base64,",
        "data:audio/vnd.wave;codec=1;base64, ",
    ],
)
def test_data_url_of_a_browser_is_decoded(prefix: str) -> None:
    assert decode_base64(prefix + ENCODED, "reference_audio") == AUDIO


@pytest.mark.parametrize("lower", [False, True])
def test_percent_encoded_base64_of_a_data_url_is_decoded(lower: bool) -> None:
    audio = AUDIO + b"\xfb\xff\xfe\x00"
    encoded = base64.encodebytes(audio).decode()
    for plain, code in (("+", "%2B"), ("/", "%2F"), ("=", "%3D"), ("\n", "%0A")):
        encoded = encoded.replace(plain, code.lower() if lower else code)
    assert decode_base64("data:audio/wav;base64," + encoded, "reference_audio") == audio


@pytest.mark.parametrize(
    "url",
    [
        "data:audio/wav,RIFF",
        "data:audio/wav;base64",
        "data:base64," + ENCODED,
        "data:audio/wav;base64,%41%42",
        "blob:https://app.example.com/1",
        "data:" + "x" * 300 + ";base64," + ENCODED,
    ],
)
def test_url_without_base64_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="send base64 or a data URL with base64") as refused:
        decode_base64(url, "reference_audio")
    assert refused.value.param == "reference_audio"


@pytest.mark.parametrize("part", [";", " ", "; base64", ";base64 ", "%2B", "%", "data:"])
def test_long_hostile_data_url_takes_linear_time(part: str) -> None:
    began_at = time.monotonic()
    with pytest.raises(InvalidRequest):
        decode_base64("data:" + part * 1_000_000 + "!", "reference_audio")
    assert time.monotonic() - began_at < 2


@pytest.mark.parametrize(
    ("path", "field"), [("/tts", "text"), ("/v1/audio/speech", "input"), ("/v1/invoke", None), ("/v1/tts", "text")]
)
async def test_routes_accept_the_data_url_of_a_browser(
    gateway: InMemory, clip: bytes, path: str, field: str | None
) -> None:
    url = 'DATA:audio/ogg; codecs="opus";base64,' + base64.b64encode(clip).decode()
    reference: dict[str, Any] = {"reference_audio": url}
    if path == "/v1/tts":
        reference = {"references": [{"audio": url, "text": "hm"}]}
    if field is None:
        assert (await gateway.client.post(path, json=reference)).status_code == 404  # no fish engine here
        return
    answer = await gateway.client.post(path, json={field: "Hello.", **reference})
    assert answer.status_code == 200, answer.text
    assert gateway.engine.jobs[-1].reference is not None
