"""Limits on a request's head: its size, and the time until it is complete."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready


def rss_mb(gateway: Gateway) -> float:
    return psutil.Process(gateway.process.pid).memory_info().rss / 2**20


def open_socket(gateway: Gateway) -> socket.socket:
    url = httpx.URL(gateway.url)
    return socket.create_connection((url.host, url.port), timeout=10)


UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
HEADS = {
    "many headers": (b"GET /tts HTTP/1.1\r\nhost: localhost\r\n", b"x-header: " + b"y" * 1000 + b"\r\n"),
    "one header": (b"GET /tts HTTP/1.1\r\nhost: localhost\r\nx: ", b"y" * 1000),
    "one name": (b"GET /tts HTTP/1.1\r\nhost: localhost\r\n", b"y" * 1000),
    "a path": (b"GET /", b"y" * 1000),
    "a handshake": (b"GET /tts/stream HTTP/1.1\r\nhost: [::1]\r\n" + UPGRADE, b"x-header: " + b"y" * 1000 + b"\r\n"),
    "trailers": (
        b"POST /tts HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
        b"x-header: " + b"y" * 1000 + b"\r\n",
    ),
}


@pytest.mark.parametrize("kind", HEADS)
def test_endless_head_is_cut_off(gateway: Gateway, kind: str) -> None:
    begin, more = HEADS[kind]
    before = rss_mb(gateway)
    sent = 0
    with open_socket(gateway) as client, contextlib.suppress(ConnectionError):
        client.sendall(begin)
        while sent < 50 * 2**20:
            client.sendall(more * 100)
            sent += len(more) * 100
    assert sent < 20 * 2**20, "only socket buffers were filled"
    assert rss_mb(gateway) - before < 15
    assert gateway.client.get("/health/live").status_code == 200


@pytest.mark.parametrize("piece", [100, 1000, 100_000])
@pytest.mark.parametrize("kind", ["many headers", "one header", "a handshake"])
def test_large_head_gets_431(gateway: Gateway, kind: str, piece: int) -> None:
    begin, more = HEADS[kind]
    for size, status in ((60_000, b"HTTP/1.1 4"), (68_000, b"HTTP/1.1 431 Request Header Fields Too Large\r\n")):
        head = begin + more * (size // len(more)) + b"\r\n" * 2
        with open_socket(gateway) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(head), piece):
                client.sendall(head[start : start + piece])
            answer = client.recv(1000)
        assert answer.startswith(status), answer
        assert (b" 431 " in answer) == (size > 2**16), answer


def test_client_that_keeps_sending_still_receives_431(gateway: Gateway) -> None:
    begin, more = HEADS["many headers"]
    with open_socket(gateway) as client:
        client.sendall(begin + more * 68)
        assert client.recv(1, socket.MSG_PEEK), "the response has arrived and is not read yet"
        for _ in range(5):
            client.sendall(more)
            time.sleep(0.05)
        answer = b"".join(iter(lambda: client.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 431 "), answer
        time.sleep(2.5)
        with contextlib.suppress(ConnectionError):  # the first send only provokes the reset
            client.sendall(more)
        time.sleep(0.1)
        with pytest.raises(ConnectionError):  # the linger time is over
            client.sendall(more)


def test_incomplete_head_is_closed_at_the_deadline(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, {**TONE, "limits": {"body_s": 0.5}})
    wait_ready(gateway)
    whole = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
    handshake = b"GET /tts/stream HTTP/1.1\r\nhost: localhost\r\n" + UPGRADE
    for earlier, begin in ((0, b""), (0, b"GET /tts HTT"), (0, handshake), (2, b"\r\n"), (2, b"GET /tts HTT")):
        with open_socket(gateway) as client:
            for _ in range(earlier):
                client.sendall(whole)
                while not client.recv(1000).endswith(b"}"):
                    pass
                time.sleep(0.7)  # between requests, silence may be longer
            began_at = time.monotonic()
            client.sendall(begin)
            assert client.recv(1000) == b""
            assert 0.3 < time.monotonic() - began_at < 5
    body = json.dumps(
        {"text": "x" * 200, "engine": "tone", "options": {"step_s": 0.02}}
    ).encode()  # two seconds of work
    head = f"POST /tts HTTP/1.1\r\nhost: [::1]\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with open_socket(gateway) as client:
        client.sendall(head.encode() + body + whole[:20])
        assert client.recv(1000).startswith(b"HTTP/1.1 200"), "a pipelined head does not cut off a response"
    assert gateway.stop() == 0
