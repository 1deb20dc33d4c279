"""ASGI application that serves the page and forwards all other requests to a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from gateway.api.common.deps import disconnected
from gateway.api.common.errors import Problem, native_envelope
from gateway.api.common.hosts import TrustedHosts
from gateway.api.common.scope import header
from gateway.cli.remote import is_local
from gateway.webui.files import routes as page_routes

CONNECT_S = 10.0

# Headers that concern one connection (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset(
    b"connection expect keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
# Cookies on this host belong to other services. Origin and Referer have been checked and name this process, which the
# gateway would take for another site.
_NOT_FORWARDED = _HOP_BY_HOP | {b"host", b"origin", b"referer", b"cookie"}
_NOT_RETURNED = _HOP_BY_HOP | {b"date", b"set-cookie"}
_NOT_SENT = (None, 1005, 1006)  # close codes
_INTERNAL_ERROR = 1011

_Headers = list[tuple[bytes, bytes]]


class Forwarder:
    """The page below ``/ui``, and a gateway at all other paths.

    Requests from other sites are refused here, because the gateway cannot recognize them behind a proxy. Nothing is
    buffered. If the client disconnects, the request to the gateway is cancelled.

    :param server: URL of the gateway; it may have a path.
    :param api_key: added to requests without a key. Every program that reaches this process can use it.
    :param host: the address that this process listens on. If it is a name, ``Host`` may have it.
    """

    def __init__(self, server: str, api_key: str | None, host: str):
        self._server = httpx.URL(server.rstrip("/"))
        self._prefix = self._server.raw_path.rstrip(b"/")
        self._key: _Headers = [(b"authorization", f"Bearer {api_key}".encode())] if api_key else []
        self._hosts = TrustedHosts([host])
        self._use_proxy = not is_local(server)  # the environment's
        self._http: httpx.AsyncClient
        routes = [Route("/", _to_page), *page_routes()]
        self._router = Router(routes, redirect_slashes=False, default=self._forward, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] == "lifespan":
            await self._router(scope, receive, send)
        elif refusal := self._refusal(scope):
            await refusal(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._forward_socket(WebSocket(scope, receive, send))
        else:
            await self._router(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        timeout, limits = httpx.Timeout(None, connect=CONNECT_S), httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=self._use_proxy) as self._http:
            yield

    def _refusal(self, scope: Scope) -> Response | None:
        """The response to a request from another site. Only the page's own files may be requested from there."""
        host = header(scope, b"host")
        if not self._hosts.trusts(host):
            return _error(403, "cross_site", f"host {host[:100]!r} is not known: use an IP address or localhost")
        if scope["type"] == "http" and (scope["path"] in ("/", "/ui") or scope["path"].startswith("/ui/")):
            return None
        sender = header(scope, b"origin") or header(scope, b"referer")
        is_foreign = sender and sender.partition("://")[2].partition("/")[0] != host
        if is_foreign or header(scope, b"sec-fetch-site") in ("cross-site", "same-site"):
            return _error(403, "cross_site", "cross-site request: use the page of this address, or the gateway itself")
        return None

    def _url(self, scope: Scope) -> httpx.URL:
        path, query = scope["raw_path"], scope["query_string"]
        if not path.startswith(self._prefix + b"/"):  # the gateway's own addresses, such as redirects, have it
            path = self._prefix + path
        return self._server.copy_with(raw_path=path + (b"?" + query if query else b""))

    def _headers(self, scope: Scope) -> _Headers:
        headers = _without(_NOT_FORWARDED, scope["headers"])
        return headers if {name for name, _ in headers} & {b"authorization", b"x-api-key"} else headers + self._key

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        has_body = {"content-length", "transfer-encoding"} & set(request.headers)
        body_read = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            async for data in request.stream():
                yield data
            body_read.set()

        async def client_gone() -> None:
            if has_body:
                await body_read.wait()
            await disconnected(receive)

        await _first_of(self._answer(scope, receive, send, body() if has_body else None), client_gone())

    async def _answer(self, scope: Scope, receive: Receive, send: Send, body: AsyncIterator[bytes] | None) -> None:
        try:
            request = httpx.Request(scope["method"], self._url(scope), headers=self._headers(scope), content=body)
            response = await self._http.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            await self._unreachable(error)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        try:
            headers = _without(_NOT_RETURNED, response.headers.raw)
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            async for data in response.aiter_raw():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except httpx.HTTPError:
            pass  # the response ends without its last chunk, so that it is visibly incomplete
        finally:
            await response.aclose()

    async def _forward_socket(self, socket: WebSocket) -> None:
        url = self._url(socket.scope)
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._headers(socket.scope)
            if not name.startswith(b"sec-websocket-")
        ]
        await socket.receive()  # websocket.connect
        try:
            server = await _Connect(
                str(url.copy_with(scheme={"http": "ws", "https": "wss"}[url.scheme])),
                subprotocols=socket.scope["subprotocols"] or None,
                additional_headers=headers,
                user_agent_header=None,
                compression=None,
                proxy=True if self._use_proxy else None,
                open_timeout=CONNECT_S,
                ping_interval=None,  # both ends have servers, which send pings
                max_size=None,
            )
        except InvalidStatus as error:
            answer = error.response
            kind = answer.headers.get("content-type")
            await socket.send_denial_response(Response(bytes(answer.body), answer.status_code, media_type=kind))
            return
        except (OSError, InvalidHandshake) as error:  # OSError: also a timeout
            await socket.send_denial_response(self._unreachable(error))
            return
        async with server:
            await socket.accept(server.subprotocol)
            await _first_of(_to_server(socket, server), _to_client(server, socket))

    def _unreachable(self, error: Exception) -> Response:
        reason = str(error) or type(error).__name__
        message = (
            f"{self._server} does not answer ({reason}): start it with `voxgate serve`, or choose another --server"
        )
        return _error(502, "server_unreachable", message)


class _Connect(connect):
    """A connection that follows no redirects, which could send the key to another server."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Fail instead of following a redirect."""
        return exc


async def _to_server(socket: WebSocket, server: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while (message := await socket.receive())["type"] == "websocket.receive":
            await server.send(message["text"] if message.get("text") is not None else message["bytes"])


async def _to_client(server: ClientConnection, socket: WebSocket) -> None:
    with suppress(ConnectionClosed, WebSocketDisconnect):
        try:
            while True:
                message = await server.recv()
                await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))
        except ConnectionClosed:
            code = _INTERNAL_ERROR if server.close_code in _NOT_SENT else server.close_code
            await socket.close(code, server.close_reason)


async def _first_of(*steps: Coroutine[Any, Any, None]) -> None:
    """Run steps concurrently until the first ends; cancel the others."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _to_page(_: Request) -> Response:
    return RedirectResponse("ui/")


def _without(names: Collection[bytes], headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    lower = ((name.lower(), value) for name, value in headers)
    return [(name, value) for name, value in lower if name not in names]


def _error(status: int, type_: str, message: str) -> Response:
    return JSONResponse(native_envelope(Problem(status, type_, message, param=None, request_id="")), status)
