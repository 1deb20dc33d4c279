"""The route class of every API dialect."""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Iterable, Iterator
from inspect import signature
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.common.csrf import CsrfGuard
from gateway.api.common.deps import raise_refusal, services
from gateway.api.common.errors import STATUS, native_envelope
from gateway.api.common.scope import is_probe
from gateway.errors import (
    BodyTimeout,
    BodyTooLarge,
    CrossSite,
    DeadlineExceeded,
    EngineNotFound,
    EngineUnavailable,
    Forbidden,
    GatewayError,
    InvalidRequest,
    LexiconNotFound,
    Overloaded,
    QueueFull,
    RateLimited,
    SynthesisFailed,
    Unauthorized,
    UnsupportedMedia,
    VoiceNotFound,
)
from gateway.service.auth import ApiKeys
from gateway.settings import AccessSettings, ApiKey, EngineSettings, Settings

E = TypeVar("E", bound=Callable[..., Any])

_RAISED = "raised_errors"

SPEECH_ERRORS = (
    EngineNotFound,
    VoiceNotFound,
    LexiconNotFound,
    QueueFull,
    EngineUnavailable,
    Overloaded,
    SynthesisFailed,
    DeadlineExceeded,
)
"""Errors of every operation that speaks, besides those of invalid fields."""


def raises(*kinds: type[GatewayError]) -> Callable[[E], E]:
    """Declare errors that an endpoint raises, for the OpenAPI document.

    Those of the middleware, and of a body in the document, are known without it; see :meth:`DialectRoute.errors`.
    """

    def declared(endpoint: E) -> E:
        setattr(endpoint, _RAISED, kinds)
        return endpoint

    return declared


class DialectRoute(APIRoute):
    """A route of one API: raises the refusal of the middleware, if any, and defines the envelope of errors.

    Every router has this class or a subclass as its ``route_class``.
    """

    envelope = staticmethod(native_envelope)
    """The body of an error response."""

    malformed: type[GatewayError] = InvalidRequest
    """The error of a body that cannot be parsed."""

    @classmethod
    def status(cls, kind: type[GatewayError]) -> int:
        """The status of an error on this route."""
        return STATUS[kind]

    def errors(self, method: str) -> dict[int, list[str]]:
        """The statuses of all errors that the route can respond with, and their meanings."""
        found: dict[int, list[str]] = {}
        body = (BodyTimeout, self.malformed, InvalidRequest) if "requestBody" in (self.openapi_extra or {}) else ()
        query = (InvalidRequest,) if self.dependant.query_params else ()
        kinds = (*_refusals(method, self.path), *body, *query, *getattr(self.endpoint, _RAISED, ()))
        for kind in dict.fromkeys(kinds):
            found.setdefault(self.status(kind), []).append((kind.__doc__ or "").splitlines()[0])
        return found

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, after the refusal check.

        An endpoint that takes only ``request`` and ``services`` and returns a response is called directly: FastAPI's
        parameter solving, made for parameters that it has to parse, would cost more than all validation here.
        """
        endpoint = self.endpoint
        is_direct = self.response_field is None and list(signature(endpoint).parameters) == ["request", "services"]
        handle = None if is_direct else super().get_route_handler()

        async def handle_unless_refused(request: Request) -> Response:
            raise_refusal(request)
            if handle is not None:
                return await handle(request)
            response: Response = await endpoint(request, await services(request))
            return response

        return handle_unless_refused


def _refusals(method: str, path: str) -> Iterator[type[GatewayError]]:
    """The errors that the middleware can refuse a request with; asks the middleware's own rules."""
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"origin", b"http://other.invalid")]}
    yield Forbidden
    if not _KEYS.is_public(path, method):
        yield from (Unauthorized, RateLimited)
    if not is_probe(scope):
        yield from (BodyTooLarge, UnsupportedMedia, EngineUnavailable, Overloaded)
        if _GUARD.check(scope):
            yield CrossSite


_SETTINGS = Settings(
    default_engine="any",
    engines={"any": EngineSettings(backend="any")},
    access=AccessSettings(keys={"any": ApiKey(sha256="0" * 64)}, open=()),
)
_KEYS, _GUARD = ApiKeys(_SETTINGS.access), CsrfGuard(_SETTINGS)


def head_routes(routes: Iterable[BaseRoute]) -> list[APIRoute]:
    """Copies of the GET routes that answer HEAD; the server drops their bodies.

    FastAPI's routes answer GET only, unlike Starlette's. As methods of the same routes they would be in the schema.
    """
    found = []
    for route in routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            head = copy.copy(route)
            head.methods, head.include_in_schema = {"HEAD"}, False
            found.append(head)
    return found


def refusing(routes: Iterable[BaseRoute]) -> None:
    """Let the other routes, of the documentation and the page, raise the refusal of the middleware as well."""
    for route in routes:
        if isinstance(route, (Route, Mount)) and not isinstance(route, DialectRoute):
            route.app = _unless_refused(route.app)


def _unless_refused(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        raise_refusal(HTTPConnection(scope))
        await app(scope, receive, send)

    return serve
