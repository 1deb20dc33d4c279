"""HTTP/1 protocol of the server: offers to upgrade to HTTP/2 are ignored, and HTTP/1.0 clients get no chunk sizes."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_UPGRADE_TOKENS = (b"upgrade", b"http2-settings")


class Http1Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, corrected for two kinds of clients.

    httptools stops after the head of a request that offers an upgrade, so that uvicorn loses the body of a client that
    offers h2c and sends its request in HTTP/1.1 (RFC 9110, section 7.8). Such a head is parsed again without the offer.
    WebSockets, the only upgrades that uvicorn accepts, are unchanged.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._parsing: bytes | memoryview = b""
        self._pending: list[bytes | memoryview] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Name an IPv4 client of a dual-stack socket by its IPv4 address, as lists of trusted proxies do."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (self.client[0].removeprefix("::ffff:"), self.client[1])

    def data_received(self, data: bytes) -> None:
        """Parse, and parse a head with an ignored offer again, before what follows it."""
        self._pending = [data]
        while self._pending and not self.transport.is_closing():
            self._parsing = self._pending.pop(0)
            super().data_received(self._parsing)  # type: ignore[arg-type]

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is parsed again."""
        if not self._has_ignored_offer():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request, unless its head is parsed again."""
        if not self._has_ignored_offer():
            super().on_message_complete()

    def _has_ignored_offer(self) -> bool:
        is_offer = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        return bool(is_offer and not self._should_upgrade())

    def _unsupported_upgrade_warning(self) -> None:
        """Schedule the head without its offer, and the data after it; uvicorn calls this while it handles the error."""
        if not self._has_ignored_offer():  # CONNECT
            super()._unsupported_upgrade_warning()
            return
        stopped = sys.exception()
        if not isinstance(stopped, httptools.HttpParserUpgrade):
            raise RuntimeError("uvicorn called _unsupported_upgrade_warning outside of the parser's error handler")
        rest = memoryview(self._parsing)[stopped.args[0] :]
        self._pending = [self._head_without_offer(), *([rest] if rest else [])]
        self.parser = httptools.HttpRequestParser(self)

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in _UPGRADE_TOKENS)
            if name not in _UPGRADE_TOKENS and (value or name != b"connection"):
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = partial(_ended_by_close, cycle, app)
        super()._start_asgi_task(cycle, app)


async def _ended_by_close(
    cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve an HTTP/1.0 request: a response without a length ends when the connection closes (RFC 9112, section 6.3).

    Uvicorn would send it in chunks, which HTTP/1.0 clients take for content.
    """
    has_length = True

    async def send_unframed(message: Message) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if not has_length:
                cycle.chunked_encoding = False
        elif not has_length:
            cycle.expected_content_length = len(message.get("body", b""))  # uvicorn checks what it sends against it
        await send(message)

    await app(scope, receive, send_unframed)
