"""API keys on every connection, before anything is done for it."""

from __future__ import annotations

import structlog
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import RateLimited, Unauthorized
from gateway.metrics import Metrics
from gateway.service.auth import Access, Place

# What pages of other sites may read of an answer, besides what browsers let them read anyway.
EXPOSED_HEADERS = (
    "Retry-After",
    "X-Request-Id",
    *(f"X-Voxgate-{name}" for name in ("Engine", "Model", "Voice", "Seed", "Duration", "Ignored")),
)


class AccessControl:
    """Finds the key of a request or a WebSocket and counts it; a refusal is left for the route to raise, so that it is
    answered in the envelope of its API. Paths that are no route's raise none.

    Logs and metrics get the key's name, as does ``scope["state"]["key"]``.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics):
        self._app = app
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        is_connection = scope["type"] in ("http", "websocket")
        if not is_connection or self._access.is_open(get_route_path(scope), scope.get("method", "")):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        # Already refused: it costs the key nothing.
        place = None if state.get("refusal") else self._enter(scope)

        async def send_and_release(message: Message) -> None:
            # Before the client can know that it was the last, or its next request might find the place taken.
            if place and _is_last(message):
                place.release()
            await send(message)

        named = {"key": state["key"]} if "key" in state else {}
        with structlog.contextvars.bound_contextvars(**named):
            try:
                await self._app(scope, receive, send_and_release)
            finally:
                if place:
                    place.release()

    def _enter(self, scope: Scope) -> Place | None:
        name, outcome = "", "ok"
        try:
            holder = self._access.holder(_key(Headers(scope=scope)))
            name = scope["state"]["key"] = holder.name
            return holder.place()
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


def _key(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return (token.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key")
