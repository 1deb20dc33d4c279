"""ASGI middleware: request IDs, access log and response metrics."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.common.errors import gateway_error, internal_error
from gateway.api.common.limits import SHUTDOWN_RETRY_S
from gateway.api.common.scope import header, is_connection, is_probe, method
from gateway.errors import ClientStalled, EngineUnavailable
from gateway.metrics import Metrics

log = structlog.get_logger("gateway.access")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RESPONSE_STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


class RequestContext:
    """Assign a request ID, log and count the response, and turn unhandled exceptions into responses.

    A request that the server cancels because ``limits.drain_s`` is over gets 503. If its response has started, that
    ends visibly incomplete, as after any other exception.

    The ID is the client's ``X-Request-Id`` if that is well-formed, otherwise random. It is sent in the response and
    added to every log line.

    :param root_path: a reverse proxy's path prefix, which the proxy may have removed from the path.
    :param stopping: whether the gateway is shutting down.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        root_path: str,
        stopping: Callable[[], bool],
    ):
        self._app = app
        self._metrics = metrics
        self._root_path = root_path
        self._stopping = stopping
        self._log = log.bind()  # an unbound logger is set up anew for each line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if not is_connection(scope):
            await self._app(scope, receive, send)
            return
        if self._root_path:
            _add_prefix(scope, self._root_path)
        requested_id = header(scope, b"x-request-id")
        request_id = requested_id if _ID.fullmatch(requested_id) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        started_at = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _RESPONSE_STARTS:
                status = message.get("status", 101)
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            elif message["type"] == "websocket.close" and not status:
                status = 403  # the server rejects the handshake with this status
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except ClientStalled as error:
                self._metrics.errors.labels(error.type).inc()
                self._log.warning("response aborted", type=error.type, error=str(error))
            except asyncio.CancelledError:
                if not self._stopping():
                    raise
                cut_off = EngineUnavailable("the gateway is shutting down", retry_after_s=SHUTDOWN_RETRY_S)
                response = await gateway_error(HTTPConnection(scope), cut_off)
                if not status and scope["type"] == "http":
                    await response(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - logged, and answered with status 500
                response = internal_error(HTTPConnection(scope), error)
                if not status:  # otherwise the response has started; it ends here, visibly incomplete
                    await response(scope, receive, send_with_id)
            finally:
                # The route's pattern, not the path: IDs in paths must not become metric labels.
                route = getattr(scope.get("route"), "path", "(none)")
                self._metrics.http.labels(route, str(status)).inc()
                write = self._log.debug if is_probe(scope) else self._log.info
                duration_ms = round((time.perf_counter() - started_at) * 1000, 1)
                key = {"key": scope["state"]["key"]} if "key" in scope["state"] else {}
                write("request", method=method(scope), path=scope["path"], status=status, ms=duration_ms, **key)


def _add_prefix(scope: Scope, root_path: str) -> None:
    """Set the scope's prefix. ASGI paths include it, even if the proxy has removed it."""
    path = scope["path"].removeprefix(root_path)
    if path and not path.startswith("/"):  # /speechless is not below /speech
        path = scope["path"]
    scope["root_path"], scope["path"] = root_path, root_path + (path or "/")
