"""The table from errors to HTTP status codes, and error envelopes.

The native API's envelope is ``{"error": {"type": …, "message": …, "param": …, "request_id": …}}``. Another API defines
its own in a subclass of :class:`gateway.api.common.route.DialectRoute`, the ``route_class`` of its routers.
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
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import JSONResponse

from gateway import errors
from gateway.api.common.deps import request_id
from gateway.errors import GatewayError
from gateway.service.request import invalid_request

log = structlog.get_logger(__name__)

STATUS: Mapping[type[GatewayError], int] = {
    errors.GatewayError: 500,
    errors.InvalidRequest: 422,
    errors.NothingToSpeak: 422,
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
    errors.LexiconNotFound: 404,
    errors.Conflict: 409,
    errors.EngineUnavailable: 503,
    errors.LoadFailed: 500,
    errors.QueueFull: 429,
    errors.Overloaded: 503,
    errors.DeadlineExceeded: 504,
    errors.SynthesisFailed: 500,
    errors.ClientGone: 499,  # nginx's code, for logs and metrics only
    errors.ConfigError: 500,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """The content of an error response, independent of its envelope.

    :param param: the invalid request field.
    """

    status: int
    type: str
    message: str
    param: str | None
    request_id: str

    @property
    def described(self) -> str:
        """The message prefixed with the invalid field, for envelopes without ``param``."""
        return f"{self.param}: {self.message}" if self.param else self.message

    @property
    def phrase(self) -> str:
        """HTTP's name of the status, or the error's type if HTTP has none."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:  # 499
            return self.type


def native_envelope(problem: Problem) -> dict[str, object]:
    """The body of an error response of the native API."""
    return {
        "error": {
            "type": problem.type,
            "message": problem.message,
            "param": problem.param,
            "request_id": problem.request_id,
        }
    }


def install(app: FastAPI) -> None:
    """Register the handlers that turn every error into the envelope of its route."""
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)


def retry_after(error: GatewayError) -> dict[str, str]:
    """The ``Retry-After`` header in whole seconds, if the error has a delay."""
    if error.retry_after_s is None:
        return {}
    return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}


def headers(error: GatewayError) -> dict[str, str]:
    """The headers of an error response: ``Retry-After`` and ``WWW-Authenticate``."""
    found = retry_after(error)
    if isinstance(error, errors.Unauthorized):
        # RFC 6750: requests without credentials get no error code.
        found["WWW-Authenticate"] = 'Bearer realm="voxgate"' + (', error="invalid_token"' if error.given else "")
    return found


def _respond(
    request: HTTPConnection,
    status: int,
    type_: str,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Count an error and render it in the envelope of its route."""
    request.app.state.services.metrics.errors.labels(type_).inc()
    problem = Problem(status, type_, message, param, request_id(request))
    route = request.scope.get("route")  # set for wrong methods too, but not for unknown paths
    envelope = getattr(route, "envelope", native_envelope)
    return JSONResponse(envelope(problem), status, headers=headers)


async def _gateway_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for this type
    status = STATUS[type(error)]
    if status >= 500:
        log.warning("request failed", type=error.type, error=error.message)
    return _respond(request, status, error.type, error.message, error.param, headers(error))


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    type_ = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _respond(request, error.status_code, type_, message, headers=error.headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    return await _gateway_error(request, invalid_request(error))


async def _client_gone(request: Request, error: Exception) -> JSONResponse:
    return await _gateway_error(request, errors.ClientGone("the client disconnected before its body was complete"))


def internal_error(request: HTTPConnection, error: Exception) -> JSONResponse:
    """The response to an unhandled exception; its details are logged and not sent."""
    log.error("unexpected error", exc_info=error)
    message = "internal error: the log has the details under this request ID"
    return _respond(request, 500, GatewayError.type, message)
