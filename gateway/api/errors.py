"""The one table from errors to HTTP, and the native API's envelope around them.

``{"error": {"type": …, "message": …, "param": …, "request_id": …}}``
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gateway import errors
from gateway.api.deps import request_id
from gateway.errors import GatewayError
from gateway.service.request import invalid_request

log = structlog.get_logger(__name__)

STATUS: Mapping[type[GatewayError], int] = {
    errors.GatewayError: 500,
    errors.InvalidRequest: 422,
    errors.UnsupportedMedia: 415,
    errors.BodyTooLarge: 413,
    errors.BodyTimeout: 408,
    errors.CrossSite: 403,
    errors.NotFound: 404,
    errors.EngineNotFound: 404,
    errors.VoiceNotFound: 404,
    errors.Conflict: 409,
    errors.EngineUnavailable: 503,
    errors.QueueFull: 429,
    errors.Overloaded: 503,
    errors.DeadlineExceeded: 504,
    errors.SynthesisFailed: 500,
    errors.ClientGone: 499,  # nginx's code; nobody is left to read it, but logs and metrics show it
    errors.ConfigError: 500,
}


def install(app: FastAPI) -> None:
    """Answer every error with the native envelope."""
    app.add_exception_handler(GatewayError, _answer_gateway_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)


def envelope(type_: str, message: str, param: str | None, request: Request) -> dict[str, object]:
    """The body of an error answer."""
    return {"error": {"type": type_, "message": message, "param": param, "request_id": request_id(request)}}


def retry_after(error: GatewayError) -> dict[str, str]:
    """The header that says when to try again, in whole seconds, where the error knows."""
    if error.retry_after_s is None:
        return {}
    return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}


def count(request: Request, type_: str) -> None:
    """Count an error answer."""
    request.app.state.services.metrics.errors.labels(type_).inc()


async def _answer_gateway_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for this type
    status = STATUS[type(error)]
    count(request, error.type)
    if status >= 500:
        log.warning("request failed", type=error.type, error=error.message)
    return JSONResponse(envelope(error.type, error.message, error.param, request), status, headers=retry_after(error))


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    type_ = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    count(request, type_)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(envelope(type_, message, None, request), error.status_code, headers=error.headers)


async def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    return await _answer_gateway_error(request, invalid_request(error))


def answer_bug(request: Request, error: Exception) -> JSONResponse:
    """The answer to an exception nobody expected: its details go to the log only."""
    log.error("unexpected error", exc_info=error)
    count(request, GatewayError.type)
    message = "an unexpected error; the log has it under this request id"
    return JSONResponse(envelope(GatewayError.type, message, None, request), 500)
