"""``voxgate ui``: the page as a process of its own, and what it forwards to a gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready
from support.page_process import page_process
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gateway.service.auth import key_hash

KEY = "vox_" + "k" * 43
SLOW = {"engine": "tone", "text": "x" * 400, "format": "pcm", "stream": True, "options": {"step_s": 0.1}}  # 20 s


def refused(*arguments: str, **env: str) -> str:
    command = [sys.executable, "-m", "gateway", "ui", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})
    assert result.returncode != 0
    return " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a key."""
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}}
    running = start_gateway(tmp_path_factory.mktemp("gateway"), {**TONE, "access": access})
    wait_ready(running)
    running.client.headers["Authorization"] = f"Bearer {KEY}"
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.fixture(scope="module")
def page(server: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("page") / "ui.log"
    other = {"GRADIO_SERVER_NAME": "127.0.0.9", "GRADIO_SERVER_PORT": "1"}
    flags = ("--host", "127.0.0.1", "--port", "0")
    with page_process("--server", server.url, *flags, log=log, VOXGATE_API_KEY=KEY, **other) as client:
        assert client.base_url.host == "127.0.0.1", "flags win"
        yield client
    assert "Traceback" not in log.read_text()


def live(page: httpx.Client, host: str = "", **headers: str) -> ClientConnection:
    """Open a WebSocket to the page's process."""
    url = f"ws://{host or page.base_url.netloc.decode()}/tts/stream"
    address = (page.base_url.host, page.base_url.port)  # for every Host header
    return connect(url, proxy=None, additional_headers=headers, address=address)


def active(server: Gateway) -> int:
    found: int = server.client.get("/v1/engines/tone").json()["queue"]["active"]
    return found


def wait_active(server: Gateway, count: int) -> None:
    deadline = time.monotonic() + 10
    while active(server) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_page_is_served_by_the_process_itself(page: httpx.Client, server: Gateway) -> None:
    assert page.get("/").headers["location"] == "ui/"
    own = page.get("/ui/")
    assert own.headers["content-security-policy"] == server.client.get("/ui/").headers["content-security-policy"]
    assert page.get("/ui/app.js").content == server.client.get("/ui/app.js").content


def test_answer_equals_the_gateways(page: httpx.Client, server: Gateway) -> None:
    body = {"text": "hello", "seed": 1}
    forwarded, direct = page.post("/tts?format=flac", json=body), server.client.post("/tts?format=flac", json=body)
    assert forwarded.status_code == 200, forwarded.text
    assert forwarded.content == direct.content
    varying = {"date", "x-request-id"}
    assert {**forwarded.headers, **dict.fromkeys(varying)} == {**direct.headers, **dict.fromkeys(varying)}
    assert len(forwarded.headers.get_list("date")) == 1
    refused = page.post("/tts", json={"text": "hello", "speed": 9})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "speed")


def test_audio_arrives_before_it_is_complete(page: httpx.Client, server: Gateway) -> None:
    with page.stream("POST", "/tts", json={**SLOW, "text": "x" * 20}) as response:
        parts = response.iter_raw()
        size = len(next(parts))
        assert active(server) == 1
        size += sum(map(len, parts))
    assert size == 2 * 24_000


def test_stream_that_fails_at_the_gateway_is_incomplete(page: httpx.Client) -> None:
    body = {**SLOW, "text": "x" * 20, "options": {"fail_at": 4, "step_s": 0.01}}
    with page.stream("POST", "/tts", json=body) as response, pytest.raises(httpx.RemoteProtocolError):
        response.read()
    assert response.status_code == 200


def test_closed_request_ends_at_the_gateway(page: httpx.Client, server: Gateway) -> None:
    with page.stream("POST", "/tts", json=SLOW) as response:
        parts = response.iter_raw()  # kept, because httpx closes the connection with it
        next(parts)
        assert active(server) == 1
    wait_active(server, 0)


def test_request_closed_before_its_answer_ends_at_the_gateway(page: httpx.Client, server: Gateway) -> None:
    with pytest.raises(httpx.ReadTimeout):
        page.post("/tts", json={**SLOW, "stream": False}, timeout=0.5)
    wait_active(server, 0)


def test_upload_is_forwarded_while_it_is_sent(page: httpx.Client, clip: bytes) -> None:
    fields = {"name": "mine", "transcript": "some words"}
    stored = page.post("/v1/voices", data=fields, files={"audio": ("mine.wav", clip)})
    assert stored.status_code == 201, stored.text
    assert page.delete(f"/v1/voices/{stored.json()['id']}").status_code == 204

    def parts() -> Iterator[bytes]:
        yield b'{"text": "hel'
        yield b'lo"}'

    spoken = page.post("/tts", content=parts(), headers={"content-type": "application/json"})
    assert spoken.status_code == 200, spoken.text


def test_live_session_speaks_and_closes_as_at_the_gateway(page: httpx.Client) -> None:
    audio, events = b"", []
    with live(page) as socket:
        for message in ({"type": "start", "format": "pcm"}, {"type": "text", "text": "hello"}, {"type": "end"}):
            socket.send(json.dumps(message))
        for message in socket:
            if isinstance(message, bytes):
                audio += message
            else:
                events.append(json.loads(message)["type"])
    assert socket.close_code == 1000
    assert (events[0], events[-1]) == ("started", "finished")
    assert np.frombuffer(audio, "<i2").any()


def test_closed_socket_ends_its_session_at_the_gateway(page: httpx.Client, server: Gateway) -> None:
    with live(page) as socket:
        socket.send(json.dumps({"type": "start", "options": {"step_s": 0.1}}))
        socket.send(json.dumps({"type": "text", "text": "x" * 250 + "."}))
        socket.send(json.dumps({"type": "flush"}))
        wait_active(server, 1)
    wait_active(server, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:7860"},
        {"host": "evil.example:7860", "origin": "http://evil.example:7860"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"referer": "http://evil.example/page"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_request_of_another_site_is_refused(page: httpx.Client, headers: dict[str, str]) -> None:
    for path in ("/v1/voices", "/tts?text=x"):
        refused = page.get(path, headers=headers)
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "cross_site")
    with pytest.raises(InvalidStatus) as denied:
        live(page, **headers)
    assert denied.value.response.status_code == 403


def test_page_itself_may_send_requests_and_may_be_linked(page: httpx.Client) -> None:
    own = str(page.base_url)
    same = {"origin": own, "referer": f"{own}/ui/", "sec-fetch-site": "same-origin"}
    assert page.post("/tts", json={"text": "x"}, headers=same).status_code == 200
    assert page.get("/tts?text=x", headers={"referer": f"{own}/ui/"}).status_code == 200
    assert page.get("/ui/", headers={"sec-fetch-site": "cross-site"}).status_code == 200
    assert page.get("/ui/", headers={"host": "evil.example"}).status_code == 403


def test_key_of_a_request_is_used_instead_of_the_process_key(page: httpx.Client) -> None:
    assert page.get("/v1/engines").status_code == 200
    for headers in ({"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}):
        assert page.get("/v1/engines", headers=headers).status_code == 401


def test_gateways_refusal_of_a_socket_is_returned(server: Gateway, tmp_path: Path) -> None:
    with page_process("--server", f"{server.url}/", log=tmp_path / "log") as client:
        assert client.get("/v1/engines").status_code == 401
        with pytest.raises(InvalidStatus) as denied:
            live(client)
    response = denied.value.response
    assert response.status_code == 401
    assert json.loads(response.body)["error"]["type"] == "unauthorized"


def test_gateway_that_is_down_and_port_that_is_taken_are_named(tmp_path: Path) -> None:
    env = {"VOXGATE_SERVER": "http://127.0.0.1:9", "GRADIO_SERVER_NAME": "127.0.0.2"}
    with page_process(log=tmp_path / "log", **env) as client:
        assert client.base_url.host == "127.0.0.2"
        taken = str(client.base_url.port)
        assert f"port {taken} is in use" in refused(**env, GRADIO_SERVER_PORT=taken)
        assert client.get("/ui/").status_code == 200
        answer = client.post("/tts", json={"text": "hello"})
        assert answer.status_code == 502
        error = answer.json()["error"]
        assert error["type"] == "server_unreachable"
        assert error["message"].startswith("http://127.0.0.1:9 does not answer")
        with pytest.raises(InvalidStatus) as denied:
            live(client)
        assert denied.value.response.status_code == 502


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (("--server", "localhost:8000"), {}, "--server 'localhost:8000': must start with http:// or https://"),
        (("--host", "0.0.0.0"), {"VOXGATE_API_KEY": KEY}, "leave out the key"),
        ((), {"GRADIO_SERVER_PORT": "x"}, "GRADIO_SERVER_PORT"),
    ],
)
def test_unusable_setting_is_named(arguments: tuple[str, ...], env: dict[str, str], message: str) -> None:
    assert message in refused("--server", "http://127.0.0.1:9", *arguments, **env)
