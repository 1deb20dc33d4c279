"""The route class of every API dialect."""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Iterable
from inspect import signature
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.common.deps import raise_refusal, services
from gateway.api.common.errors import native_envelope


class DialectRoute(APIRoute):
    """A route of one API: raises the refusal of the middleware, if any, and defines the envelope of errors.

    Every router has this class or a subclass as its ``route_class``.
    """

    envelope = staticmethod(native_envelope)
    """The body of an error response."""

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
