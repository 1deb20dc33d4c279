"""ASGI middleware: API-key authentication."""

from __future__ import annotations

from urllib.parse import unquote

import structlog
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.common.scope import is_connection
from gateway.errors import Unauthorized
from gateway.metrics import Metrics
from gateway.service.auth import ApiKeys, current_key

# Response headers that pages of allowed origins may read (CORS).
EXPOSED_HEADERS = (
    "Retry-After",
    "X-Request-Id",
    *(f"X-Voxgate-{name}" for name in ("Engine", "Model", "Voice", "Seed", "Cloning", "Duration", "Ignored", "Note")),
)

_KEY_SUBPROTOCOL = "voxgate.key."


class ApiKeyAuth:
    """Authenticate HTTP requests and WebSockets.

    A refusal is stored in the scope and raised by the route, so that it has the envelope of the route's API. Unknown
    paths therefore get 404 without a key. ``scope["state"]["key"]``, logs and metrics have the key's name.
    :class:`~gateway.api.common.limits.RequestLimits` reads ``api_key``, and ``public``: whether the request is allowed
    without a key, or lacks one.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, metrics: Metrics):
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if not is_connection(scope):
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        state["public"] = self._keys.is_public(get_route_path(scope), scope.get("method", ""))
        if state["public"] or not self._keys.configured:
            await self._app(scope, receive, send)
            return
        try:
            state["api_key"] = key = self._keys.authenticate(_offered_key(scope))
        except Unauthorized as refusal:
            state["refusal"], state["public"] = refusal, True
            self._metrics.key_requests.labels("", refusal.type).inc()
            await self._app(scope, receive, send)
            return
        state["key"] = key.name
        previous = current_key.set(key.name)
        try:
            with structlog.contextvars.bound_contextvars(key=key.name):
                await self._app(scope, receive, send)
        finally:
            current_key.reset(previous)


def _offered_key(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or headers.get("x-api-key") or _subprotocol_key(scope)


def _subprotocol_key(scope: Scope) -> str | None:
    """The key among a WebSocket's subprotocols, the only header that browsers let a page set; percent-encoded."""
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(_KEY_SUBPROTOCOL):
            return unquote(protocol.removeprefix(_KEY_SUBPROTOCOL))
    return None
