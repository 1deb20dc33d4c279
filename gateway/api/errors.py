"""The one table from errors to HTTP, and the envelopes around them.

The native API's envelope is ``{"error": {"type": …, "message": …, "param": …, "request_id": …}}``. A group of routes
has another one when its router is made with a subclass of :class:`EnvelopedRoute` as ``route_class``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from gateway import errors
from gateway.api.deps import ServiceRoute, request_id
from gateway.errors import GatewayError
from gateway.service.request import invalid_request

log = structlog.get_logger(__name__)

STATUS: Mapping[type[GatewayError], int] = {
    errors.GatewayError: 500,
    errors.InvalidRequest: 422,
    errors.UnsupportedMedia: 415,
    errors.BadRequest: 400,
    errors.BodyTooLarge: 413,
    errors.BodyTimeout: 408,
    errors.SessionIdle: 408,
    errors.Unauthorized: 401,
    errors.RateLimited: 429,
    errors.NotAcceptable: 406,
    errors.CrossSite: 403,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.EngineNotFound: 404,
    errors.VoiceNotFound: 404,
    errors.Conflict: 409,
    errors.EngineUnavailable: 503,
    errors.LoadFailed: 500,
    errors.QueueFull: 429,
    errors.Overloaded: 503,
    errors.DeadlineExceeded: 504,
    errors.SynthesisFailed: 500,
    errors.ClientGone: 499,  # nginx's code; nobody is left to read it, but logs and metrics show it
    errors.ConfigError: 500,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error answer says, whatever its envelope.

    :param param: the request field at fault.
    """

    status: int
    type: str
    message: str
    param: str | None
    request_id: str

    @property
    def described(self) -> str:
        """The message with the field at fault in front of it, for envelopes that have no place for the field."""
        return f"{self.param}: {self.message}" if self.param else self.message

    @property
    def phrase(self) -> str:
        """What HTTP calls the status, or else the error's type."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:  # 499
            return self.type


def native(problem: Problem) -> dict[str, object]:
    """The body of an error answer of the native API."""
    return {
        "error": {
            "type": problem.type,
            "message": problem.message,
            "param": problem.param,
            "request_id": problem.request_id,
        }
    }


class EnvelopedRoute(ServiceRoute):
    """A route of an API whose errors have an envelope of their own: a subclass says which."""

    envelope = staticmethod(native)
    """The body of an error answer."""


def install(app: FastAPI) -> None:
    """Answer every error in the envelope of its route."""
    app.add_exception_handler(GatewayError, _answer_gateway_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)


def retry_after(error: GatewayError) -> dict[str, str]:
    """The header that says when to try again, in whole seconds, where the error knows."""
    if error.retry_after_s is None:
        return {}
    return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}


def headers(error: GatewayError) -> dict[str, str]:
    """The headers that go with an error: when to try again, and how to show who one is."""
    found = retry_after(error)
    if isinstance(error, errors.Unauthorized):
        # RFC 6750: what is wrong is said only to those who tried.
        found["WWW-Authenticate"] = 'Bearer realm="voxgate"' + (', error="invalid_token"' if error.given else "")
    return found


def _answer(
    request: HTTPConnection,
    status: int,
    type_: str,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Count an error, and wrap it as its route does."""
    request.app.state.services.metrics.errors.labels(type_).inc()
    problem = Problem(status, type_, message, param, request_id(request))
    route = request.scope.get("route")  # set for wrong methods too, but not for unknown paths
    body = route.envelope(problem) if isinstance(route, EnvelopedRoute) else native(problem)
    return JSONResponse(body, status, headers=headers)


async def _answer_gateway_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for this type
    status = STATUS[type(error)]
    if status >= 500:
        log.warning("request failed", type=error.type, error=error.message)
    return _answer(request, status, error.type, error.message, error.param, headers(error))


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    type_ = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _answer(request, error.status_code, type_, message, headers=error.headers)


async def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    return await _answer_gateway_error(request, invalid_request(error))


def answer_bug(request: HTTPConnection, error: Exception) -> JSONResponse:
    """The answer to an exception nobody expected: its details go to the log only."""
    log.error("unexpected error", exc_info=error)
    message = "an unexpected error; the log has it under this request id"
    return _answer(request, 500, GatewayError.type, message)
