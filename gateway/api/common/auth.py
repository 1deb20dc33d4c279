"""ASGI middleware: API-key authentication and per-key rate limits."""

from __future__ import annotations

from urllib.parse import unquote

import structlog
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.common.scope import is_connection
from gateway.errors import RateLimited, Unauthorized
from gateway.metrics import Metrics
from gateway.service.auth import ApiKeys, Permit, current_key

# Response headers that pages of allowed origins may read (CORS).
EXPOSED_HEADERS = (
    "Retry-After",
    "X-Request-Id",
    *(f"X-Voxgate-{name}" for name in ("Engine", "Model", "Voice", "Seed", "Cloning", "Duration", "Ignored", "Note")),
)

_KEY_SUBPROTOCOL = "voxgate.key."


class ApiKeyAuth:
    """Authenticate HTTP requests and WebSockets, and hold a permit of the key until the response is complete.

    A refusal is stored in the scope and raised by the route, so that it has the envelope of the route's API. Unknown
    paths therefore get 404 without a key. ``scope["state"]["key"]``, logs and metrics have the key's name.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, metrics: Metrics):
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if not is_connection(scope) or self._keys.is_public(get_route_path(scope), scope.get("method", "")):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        # A request that another middleware has refused does not count against the key's limits.
        permit = None if state.get("refusal") else self._authenticate(scope)

        async def send_and_release(message: Message) -> None:
            # Release before the client sees the end, or its next request could be refused.
            if permit and _is_last(message):
                permit.release()
            await send(message)

        log_fields = {"key": state["key"]} if "key" in state else {}
        previous = current_key.set(state.get("key", ""))
        with structlog.contextvars.bound_contextvars(**log_fields):
            try:
                await self._app(scope, receive, send_and_release)
            finally:
                current_key.reset(previous)
                if permit:
                    permit.release()

    def _authenticate(self, scope: Scope) -> Permit | None:
        name, outcome = "", "ok"
        try:
            key = self._keys.authenticate(_offered_key(scope))
            name = scope["state"]["key"] = key.name
            return key.acquire()
        except (Unauthorized, RateLimited) as refusal:
            scope["state"]["refusal"] = refusal
            outcome = refusal.type
            return None
        finally:
            self._metrics.key_requests.labels(name, outcome).inc()


def _is_last(message: Message) -> bool:
    if message["type"] in ("http.response.body", "websocket.http.response.body"):
        return not message.get("more_body", False)
    return bool(message["type"] == "websocket.close")


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
