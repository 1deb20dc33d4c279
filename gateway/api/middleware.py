"""What happens to every HTTP request: an id, a bound on its body, a line in the log, a count."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import BodyTooLarge
from gateway.metrics import Metrics

log = structlog.get_logger("gateway.access")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = ("/health/", "/metrics")


class RequestContext:
    """Gives each request an id (the client's ``X-Request-Id``, if it is a sane one), shown in the answer and in
    every log line; logs and counts the answer. An exception that nothing else answered is answered here.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, answer_bug: Callable[[Request, Exception], Response]):
        self._app = app
        self._metrics = metrics
        self._answer_bug = answer_bug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = offered if _ID.fullmatch(offered) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        began_at = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - logged and answered
                answer = self._answer_bug(Request(scope), error)
                if not status:  # else the answer has begun; it ends here, visibly incomplete
                    await answer(scope, receive, send_with_id)
            finally:
                # The route's pattern, not the path: ids in paths must not become metric labels.
                route = getattr(scope.get("route"), "path", "(none)")
                self._metrics.http.labels(route, str(status)).inc()
                write = log.debug if scope["path"].startswith(_QUIET) else log.info
                took_ms = round((time.perf_counter() - began_at) * 1000, 1)
                write("request", method=scope["method"], path=scope["path"], status=status, ms=took_ms)


class BodyLimit:
    """Refuses a request body over ``max_bytes``, declared or not, before it fills the memory."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        received = int(declared) if declared.isdigit() else 0

        async def receive_bounded() -> Message:
            nonlocal received
            if received > self._max_bytes:
                raise BodyTooLarge(f"the request body is larger than {self._max_bytes} bytes")
            message = await receive()
            if message["type"] == "http.request" and b"content-length" not in dict(scope["headers"]):
                received += len(message.get("body", b""))
            return message

        await self._app(scope, receive_bounded, send)
