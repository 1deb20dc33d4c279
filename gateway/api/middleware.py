"""What happens to every request and every WebSocket: an id, a place, a bound on a body, a line in the log, a count."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import time
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

import structlog
from starlette._utils import get_route_path
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import BodyTimeout, BodyTooLarge, CrossSite, EngineUnavailable, GatewayError, Overloaded
from gateway.metrics import Metrics

log = structlog.get_logger("gateway.access")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROBES = ("/health/", "/metrics", "/ping")
_STOPPING_RETRY_S = 5.0  # when another gateway may have taken over
_SOCKET = "WEBSOCKET"  # in place of a method; pages of any site can open one, with no question asked beforehand
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE", _SOCKET})
_ANSWERS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


class RequestContext:
    """Gives each request an id (the client's ``X-Request-Id``, if it is a sane one), shown in the answer and in
    every log line; logs and counts the answer. An exception that nothing else answered is answered here.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, answer_bug: Callable[[HTTPConnection, Exception], Response]):
        self._app = app
        self._metrics = metrics
        self._answer_bug = answer_bug
        self._log = log.bind()  # once: a logger that is not bound is set up anew by each line, also by those left out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        offered = _header(scope, b"x-request-id")
        request_id = offered if _ID.fullmatch(offered) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        began_at = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _ANSWERS:
                status = message.get("status", 101)
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            elif message["type"] == "websocket.close" and not status:
                status = 403  # what the server answers then
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - logged and answered
                answer = self._answer_bug(HTTPConnection(scope), error)
                if not status:  # else the answer has begun; it ends here, visibly incomplete
                    await answer(scope, receive, send_with_id)
            finally:
                # The route's pattern, not the path: ids in paths must not become metric labels.
                route = getattr(scope.get("route"), "path", "(none)")
                self._metrics.http.labels(route, str(status)).inc()
                write = self._log.debug if _is_probe(scope) else self._log.info
                took_ms = round((time.perf_counter() - began_at) * 1000, 1)
                whose = {"key": scope["state"]["key"]} if "key" in scope["state"] else {}
                method = scope.get("method", _SOCKET)
                write("request", method=method, path=scope["path"], status=status, ms=took_ms, **whose)


class Bounds:
    """What no request may do: be one too many, come when the gateway is about to end, bring a body that is too large
    or too slow, or come from a web page of another site that wants to change something here (there are no cookies to
    steal, but a page could unload an engine of a gateway on the same machine).

    Errors are raised where the body is read, so that the application answers them like its own.

    :param max_requests: under way at once; health and metrics are always answered.
    :param origins: whose pages may change something; ``*`` stands for all.
    :param own_names: whether a page of any site whose name leads here is the gateway's own. Whoever owns a name can
        make it lead to this machine (DNS rebinding), so without keys only addresses and ``localhost`` are.
    :param stopping: whether the gateway is about to end: what is under way goes on, and nothing else begins.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        body_s: float,
        max_requests: int,
        stopping: Callable[[], bool],
        origins: Collection[str] = (),
        own_names: bool = False,
    ):
        self._app = app
        self._origins = frozenset(origins)
        self._own_names = own_names
        self._stopping = stopping
        self._max_body_bytes = max_body_bytes
        self._body_s = body_s
        self._max_requests = max_requests
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http":
            send = self._closing(send)
        if _is_probe(scope):
            await self._app(scope, receive, send)
            return
        self._under_way += 1
        try:
            scope["state"]["refusal"] = self._refusal(scope)
            await self._app(scope, self._bounded(receive) if scope["type"] == "http" else receive, send)
        finally:
            self._under_way -= 1

    def _closing(self, send: Send) -> Send:
        """Ends the connection with the answer once the gateway stops, so that the next request goes elsewhere."""

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._stopping():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        return send_and_close

    def _refusal(self, scope: Scope) -> GatewayError | None:
        if self._stopping():
            return EngineUnavailable("the gateway is shutting down", retry_after_s=_STOPPING_RETRY_S)
        if self._under_way > self._max_requests:
            return Overloaded(f"{self._max_requests} requests are under way, which is the limit", retry_after_s=1.0)
        origin = _header(scope, b"origin")
        if origin and scope.get("method", _SOCKET) in _CHANGING and not self._is_trusted(origin, scope):
            return CrossSite(f"a page of {origin} may not change anything here unless cors.origins lists it")
        declared = _header(scope, b"content-length")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            return self._too_large()
        return None

    def _is_trusted(self, origin: str, scope: Scope) -> bool:
        """Whether it is a page of this gateway, or of a configured site."""
        if not self._origins.isdisjoint((origin, "*")):
            return True
        try:
            site = urlsplit(origin)
            name = site.hostname
        except ValueError:  # such as http://[
            return False
        return bool(name) and site.netloc == _header(scope, b"host") and (self._own_names or _is_nobodys(name or ""))

    def _bounded(self, receive: Receive) -> Receive:
        received = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + self._body_s

        async def receive_bounded() -> Message:
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

        return receive_bounded

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the request body is larger than {self._max_body_bytes} bytes")


def _is_probe(scope: Scope) -> bool:
    return get_route_path(scope).startswith(_PROBES)


def _is_nobodys(host: str) -> bool:
    """Whether nobody can make that host lead somewhere else: an address, or this machine's name for itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""
