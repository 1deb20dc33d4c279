"""ASGI middleware: limits on concurrent requests, on unread responses, and on the size and duration of bodies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.common.csrf import CsrfGuard
from gateway.api.common.scope import header, is_connection, is_probe
from gateway.errors import (
    BodyTimeout,
    BodyTooLarge,
    EngineUnavailable,
    GatewayError,
    Overloaded,
    RateLimited,
    UnsupportedMedia,
)
from gateway.metrics import Metrics
from gateway.service.auth import LimitedKey, Permit
from gateway.service.speech import Backlog

MAX_PUBLIC_REQUESTS = 100
SHUTDOWN_RETRY_S = 5.0  # by then another gateway may have taken over


class Places:
    """Places of concurrent requests."""

    def __init__(self, limit: int):
        self.limit = limit
        self.taken = 0


class RequestLimits:
    """Refuse requests over the limits, during shutdown, from other sites, and with compressed bodies.

    A refusal is stored in the scope and raised by the route; errors in the body are raised where the route reads it.
    So every error gets the envelope of its API. A request holds its place until the server's ``send`` has returned for
    its last message: when the client has read it, or is gone. Public requests, and those without a valid key, have
    places of their own, so that they cannot take those of requests with a key.

    :param body_s: time for a complete body.
    :param max_requests: concurrent requests and WebSockets; health checks and metrics are not counted.
    :param stopping: whether the gateway is shutting down: running requests continue, new ones are refused.
    :param csrf: refuses requests of other sites and to other hosts. Part of this middleware because every further
        layer costs time.
    :param backlog: counts the responses until their clients have read them.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        body_s: float,
        max_requests: int,
        stopping: Callable[[], bool],
        csrf: CsrfGuard,
        backlog: Backlog,
        metrics: Metrics,
    ):
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._body_s = body_s
        self._places = Places(max_requests)
        self._public_places = Places(MAX_PUBLIC_REQUESTS)
        self._probes = Places(sys.maxsize)
        self._stopping = stopping
        self._csrf = csrf
        self._backlog = backlog
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if not is_connection(scope):
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        counted = self._public_places if state["public"] else self._places
        places = self._probes if is_probe(scope) else counted
        places.taken += 1
        permit = None
        try:
            refusal = self._csrf.check(scope) if places is self._probes else self._refusal(scope, places)
            state["refusal"] = refusal or state.get("refusal")
            if "api_key" in state and refusal is None:
                permit = self._permit(scope, state["api_key"])
            receive = self._limited(receive) if scope["type"] == "http" else receive
            await self._app(scope, receive, self._wrapped(scope, send, permit))
        finally:
            places.taken -= 1
            if permit:
                permit.release()

    def _permit(self, scope: Scope, key: LimitedKey) -> Permit | None:
        outcome = "ok"
        try:
            return key.acquire()
        except RateLimited as refusal:
            scope["state"]["refusal"] = refusal
            outcome = refusal.type
            return None
        finally:
            self._metrics.key_requests.labels(key.name, outcome).inc()

    def _wrapped(self, scope: Scope, send: Send, permit: Permit | None) -> Send:
        """Count what the client has not read yet, and release the key's permit before the last message.

        The client could send its next request before a later release.
        During shutdown, keep-alive connections are closed, so that the next request goes to another gateway.
        """
        is_public = scope["state"]["public"]

        async def send_wrapped(message: Message) -> None:
            if message["type"] == "http.response.start" and self._stopping():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            if permit and _is_last(message):
                permit.release()
            size = 0 if is_public else len(message.get("body", b""))
            self._backlog.used_bytes += size
            try:
                await send(message)
            finally:
                self._backlog.used_bytes -= size

        return send_wrapped

    def _refusal(self, scope: Scope, places: Places) -> GatewayError | None:
        if self._stopping():
            return EngineUnavailable("the gateway is shutting down", retry_after_s=SHUTDOWN_RETRY_S)
        if places.taken > places.limit:
            return Overloaded(f"too many requests at once: the limit is {places.limit}", retry_after_s=1.0)
        if places is self._places:
            try:
                self._backlog.check()
            except Overloaded as refusal:
                return refusal
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


def _is_last(message: Message) -> bool:
    if message["type"] in ("http.response.body", "websocket.http.response.body"):
        return not message.get("more_body", False)
    return bool(message["type"] == "websocket.close")
