"""ASGI middleware: limits on concurrent requests and on the size and duration of request bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.common.csrf import CsrfGuard
from gateway.api.common.scope import header, is_connection, is_probe
from gateway.errors import BodyTimeout, BodyTooLarge, EngineUnavailable, GatewayError, Overloaded, UnsupportedMedia

_SHUTDOWN_RETRY_S = 5.0  # by then another gateway may have taken over


class RequestLimits:
    """Refuse requests over the limits, during shutdown, from other sites, and with compressed bodies.

    A refusal is stored in the scope and raised by the route; errors in the body are raised where the route reads it.
    So every error gets the envelope of its API.

    :param body_s: time for a complete body.
    :param max_requests: concurrent requests and WebSockets; health checks and metrics are not counted.
    :param stopping: whether the gateway is shutting down: running requests continue, new ones are refused.
    :param csrf: refuses requests of other sites and to other hosts. Part of this middleware because every further
        layer costs time.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        body_s: float,
        max_requests: int,
        stopping: Callable[[], bool],
        csrf: CsrfGuard,
    ):
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._body_s = body_s
        self._max_requests = max_requests
        self._stopping = stopping
        self._csrf = csrf
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if not is_connection(scope):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http":
            send = self._with_connection_close(send)
        if is_probe(scope):
            scope["state"]["refusal"] = self._csrf.check(scope)
            await self._app(scope, receive, send)
            return
        self._in_flight += 1
        try:
            scope["state"]["refusal"] = self._refusal(scope)
            await self._app(scope, self._limited(receive) if scope["type"] == "http" else receive, send)
        finally:
            self._in_flight -= 1

    def _with_connection_close(self, send: Send) -> Send:
        """Close keep-alive connections during shutdown, so that the next request goes to another gateway."""

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._stopping():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        return send_and_close

    def _refusal(self, scope: Scope) -> GatewayError | None:
        if self._stopping():
            return EngineUnavailable("the gateway is shutting down", retry_after_s=_SHUTDOWN_RETRY_S)
        if self._in_flight > self._max_requests:
            return Overloaded(f"too many requests at once: the limit is {self._max_requests}", retry_after_s=1.0)
        if (error := self._csrf.check(scope)) is not None:
            return error
        declared = header(scope, b"content-length")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            return self._too_large()
        encoding = header(scope, b"content-encoding").strip()
        if encoding.lower() not in ("", "identity"):
            return UnsupportedMedia(f"unsupported Content-Encoding {encoding[:100]!r}: send the body uncompressed")
        return None

    def _limited(self, receive: Receive) -> Receive:
        received = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + self._body_s

        async def receive_limited() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise BodyTimeout(f"the request body was not complete within {self._body_s:g} s") from None
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received > self._max_body_bytes:
                    raise self._too_large()
            return message

        return receive_limited

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the request body is larger than {self._max_body_bytes} bytes")
