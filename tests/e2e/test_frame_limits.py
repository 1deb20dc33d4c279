"""Limits on control frames and small fragments, and clients that stay within them."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready

CONT, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
START = b'{"type":"start"}'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("frames"), TONE)
    wait_ready(running)
    yield running
    running.stop()


def frame(opcode: int, data: bytes = b"", fin: bool = True) -> bytes:
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([fin << 7 | opcode]) + size + bytes(4) + data  # the mask is zero


class Client:
    """A WebSocket client that sends raw bytes."""

    def __init__(self, gateway: Gateway):
        url = urlsplit(gateway.url)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        head = ["GET /tts/stream HTTP/1.1", "host: localhost", "connection: upgrade", "upgrade: websocket"]
        head += ["sec-websocket-version: 13", f"sec-websocket-key: {key}", "", ""]
        self.socket.sendall("\r\n".join(head).encode())
        self.file = self.socket.makefile("rb")
        assert b" 101 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass

    def next(self) -> tuple[int, bytes]:
        """Opcode and data of the next frame."""
        first, size = self.file.read(2)
        if size >= 126:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return first & 15, self.file.read(size)

    def events(self) -> Iterator[dict[str, Any]]:
        """JSON messages up to the close frame."""
        while (found := self.next())[0] != CLOSE:
            if found[0] == TEXT:
                yield json.loads(found[1])


@contextmanager
def connected(gateway: Gateway, first: bytes = b"") -> Iterator[Client]:
    client = Client(gateway)
    try:
        client.socket.sendall(first)
        yield client
    finally:
        client.file.close()
        client.socket.close()


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize(
    "flood",
    [
        frame(TEXT, fin=False) + frame(CONT, b"x" * 100, fin=False) * 150,
        frame(PING) * 150,
        frame(PONG, b"x" * 125) * 150,
    ],
    ids=["fragments", "pings", "pongs"],
)
def test_socket_with_too_many_frames_is_closed(gateway: Gateway, flood: bytes, started: bool) -> None:
    with connected(gateway) as client:
        if started:
            client.socket.sendall(frame(TEXT, START))
            assert b'"started"' in client.next()[1]
        client.socket.sendall(flood)
        while (found := client.next())[0] == PONG:
            pass
        assert found == (CLOSE, (1008).to_bytes(2, "big") + b"too many control frames or small fragments")


def test_pings_and_a_message_in_large_fragments_are_allowed(gateway: Gateway) -> None:
    start = START + b" " * 150_000
    parts = [start[at : at + 512] for at in range(0, len(start), 512)]
    fragments = [frame(CONT if at else TEXT, part, at == len(parts) - 1) for at, part in enumerate(parts)]
    pings = frame(PING, b"ping") * 20
    with connected(gateway, first=pings + b"".join(fragments)) as client:
        assert [client.next() for _ in range(20)] == [(PONG, b"ping")] * 20
        assert b'"started"' in client.next()[1]


def test_burst_of_small_deltas_is_spoken(gateway: Gateway) -> None:
    words = frame(TEXT, b'{"type":"text","text":"a"}') * 5_000
    with connected(gateway, first=frame(TEXT, START) + words + frame(TEXT, b'{"type":"interrupt"}')) as client:
        for event in client.events():
            if event["type"] == "interrupted":
                break
        assert event["next"] == 5_000
        client.socket.sendall(frame(TEXT, b'{"type":"text","text":"Hi."}') + frame(TEXT, b'{"type":"end"}'))
        assert list(client.events())[-1]["type"] == "finished"


def test_closing_client_gets_its_close_frame(gateway: Gateway) -> None:
    flushes = frame(TEXT, b'{"type":"flush"}') * 2_000
    with connected(gateway, first=frame(TEXT, START) + flushes + frame(CLOSE, b"\x03\xe8")) as client:
        while (found := client.next())[0] != CLOSE:
            pass
        assert found[1] == b"\x03\xe8"
