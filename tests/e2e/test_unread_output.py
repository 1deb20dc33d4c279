"""Clients that do not read, that hang up after further requests, and that open too many connections."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready

from gateway.service.auth import key_hash

KEY = "vox_" + "k" * 43
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
LARGE = {"text": "x" * 5000}  # 12 MB of audio, more than the buffers of sockets hold
LIMITS = {"requests": 4, "stall_s": 1, "text_chars": 100_000, "backlog_bytes": 2**20}
CONNECTIONS = {"connections": 40, "connections_per_address": 24}
FILE = "/static-offline-docs/swagger-ui-bundle.js"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}}
    config = {**TONE, "limits": {**LIMITS, **CONNECTIONS}, "access": access}
    running = start_gateway(tmp_path_factory.mktemp("gateway"), config)
    running.client.headers.update(AUTHORIZED)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()
    assert "Traceback" not in running.log.read_text()


def opened(gateway: Gateway, address: str = "127.0.0.1") -> socket.socket:
    """Connect from an address, with a small buffer."""
    url = httpx.URL(gateway.url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.bind((address, 0))
    client.connect((url.host, url.port))
    return client


def post(path: str, fields: dict[str, object]) -> bytes:
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    )
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def metric(gateway: Gateway, name: str) -> float:
    lines = httpx.get(f"{gateway.url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


STALLED = 'voxgate_errors_total{type="client_stalled"}'


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(2**16), b""))


def is_closed(client: socket.socket) -> bool:
    return bool(select.select([client], [], [], 0)[0])  # nothing is sent to it


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/tts", {**LARGE, "format": "wav"}),
        ("/tts", {**LARGE, "format": "wav", "stream": True}),
        ("/v1/audio/speech", {"input": LARGE["text"], "response_format": "wav"}),
        ("/invocations", {**LARGE, "response": "base64"}),
    ],
)
def test_response_that_is_not_read_counts_as_unread_until_it_is_aborted(
    gateway: Gateway, path: str, fields: dict[str, object]
) -> None:
    stalled = metric(gateway, STALLED)
    with opened(gateway) as client:
        client.sendall(post(path, fields))
        client.recv(1, socket.MSG_PEEK)  # the response has begun
        until(lambda: "are waiting for slow clients" in gateway.client.post("/tts", json={"text": "x"}).text)
        until(lambda: metric(gateway, STALLED) == stalled + 1)
        assert gateway.client.post("/tts", json={"text": "x"}).status_code == 200
        with pytest.raises(ConnectionError):
            read_all(client)


def test_requests_for_public_files_take_no_place_of_requests_with_a_key(gateway: Gateway) -> None:
    with contextlib.ExitStack() as clients:
        for _ in range(2 * LIMITS["requests"]):
            clients.enter_context(opened(gateway)).sendall(get(FILE) * 20)
        for _ in range(LIMITS["requests"]):
            clients.enter_context(opened(gateway)).sendall(get("/v1/voices") * 5000)  # refused for want of a key
        time.sleep(0.2)
        assert gateway.client.post("/tts", json={"text": "x"}).status_code == 200


@pytest.mark.parametrize("further", [(b"",), (get("/health/live"),), (get(FILE), get("/health/live"), get(FILE))])
def test_hanging_up_after_further_requests_aborts_the_job(gateway: Gateway, further: tuple[bytes, ...]) -> None:
    cancelled = metric(gateway, 'voxgate_requests_total{engine="tone",outcome="cancelled"}')
    with opened(gateway) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(post("/tts", {"text": "x" * 1000, "options": {"step_s": 0.2}}))  # a minute and more
        until(lambda: metric(gateway, 'voxgate_active_jobs{engine="tone"}') == 1)
        for request in further:
            client.sendall(request)
            time.sleep(0.05)
    until(lambda: metric(gateway, 'voxgate_active_jobs{engine="tone"}') == 0)
    assert metric(gateway, 'voxgate_requests_total{engine="tone",outcome="cancelled"}') == cancelled + 1


@pytest.mark.parametrize("path", ["/v1/voices", "/tts/stream"])
@pytest.mark.parametrize(("headers", "status"), [(b"", 400), (b"Host: a\r\nHost: b\r\n", 400), (b"Host: a\r\n", 401)])
def test_request_needs_exactly_one_host_header(gateway: Gateway, headers: bytes, status: int, path: str) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    with opened(gateway) as client:
        client.sendall(b"GET %s HTTP/1.1\r\n" % path.encode() + headers + upgrade * (path != "/v1/voices") + b"\r\n")
        answer = client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 %d " % status) or (status == 401 and path != "/v1/voices"), answer


@pytest.mark.parametrize(("count", "status"), [(10_000, 401), (12_000, 431)])
def test_separators_count_in_the_size_of_a_head(gateway: Gateway, count: int, status: int) -> None:
    with opened(gateway) as client:
        client.sendall(b"GET /v1/voices HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * count + b"\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 %d " % status)


def test_too_many_connections_of_an_address_close_its_idle_ones(gateway: Gateway) -> None:
    with contextlib.ExitStack() as clients:
        other = clients.enter_context(opened(gateway))
        crowd = [clients.enter_context(opened(gateway, "127.0.0.2")) for _ in range(60)]
        limit = CONNECTIONS["connections_per_address"]
        until(lambda: sum(is_closed(client) for client in crowd) == 60 - limit)
        assert not any(map(is_closed, crowd[-limit:])), "the oldest ones are closed"
        assert not is_closed(other)
        other.sendall(get("/health/live"))
        assert other.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert gateway.client.post("/tts", json={"text": "x"}).status_code == 200


def test_too_many_connections_close_idle_ones(gateway: Gateway) -> None:
    with contextlib.ExitStack() as clients:
        crowd = [clients.enter_context(opened(gateway, f"127.0.0.{host}")) for host in range(2, 102)]
        until(lambda: sum(is_closed(client) for client in crowd) >= 100 - CONNECTIONS["connections"])
        assert gateway.client.post("/tts", json={"text": "x"}).status_code == 200


def test_requests_that_outlast_the_drain_get_a_typed_503_or_a_broken_stream(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, {**TONE, "limits": {"drain_s": 1}})
    wait_ready(gateway)
    slow = {"step_s": 0.2}
    whole, fish, stream = opened(gateway), opened(gateway), opened(gateway)
    whole.sendall(post("/tts", {"text": "x" * 4000, "options": slow}))
    fish.sendall(post("/v1/tts", {"text": "x" * 4000, "options": slow}))
    stream.sendall(post("/tts", {"text": "x" * 4000, "options": slow, "stream": True, "format": "pcm"}))
    assert stream.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert gateway.stop() == 0, gateway.log.read_text()
    answers = [read_all(client) for client in (whole, fish, stream)]
    for client in (whole, fish, stream):
        client.close()
    bodies = []
    for answer in answers[:2]:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 5" in head
        bodies.append(json.loads(body))
    assert bodies[0]["error"]["type"] == "engine_unavailable"
    assert bodies[1] == {"status": 503, "message": "the gateway is shutting down"}
    assert not answers[2].endswith(b"0\r\n\r\n")
    assert "Traceback" not in gateway.log.read_text()
