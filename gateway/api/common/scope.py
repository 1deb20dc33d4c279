"""Helpers for ASGI connection scopes."""

from __future__ import annotations

from starlette._utils import get_route_path
from starlette.types import Scope

_PROBES = ("/health/", "/v1/health", "/metrics", "/ping")


def is_connection(scope: Scope) -> bool:
    """Whether the scope is an HTTP request or a WebSocket, not a lifespan event."""
    return scope["type"] in ("http", "websocket")


def is_probe(scope: Scope) -> bool:
    """Whether the path is a health check or the metrics."""
    path = get_route_path(scope)
    return path == "/health" or path.startswith(_PROBES)


def method(scope: Scope) -> str:
    """The HTTP method; ``WEBSOCKET`` for a WebSocket."""
    found: str = scope.get("method", "WEBSOCKET")
    return found


def header(scope: Scope, name: bytes) -> str:
    """The first value of a header; empty if it is missing."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""
