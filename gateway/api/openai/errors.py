"""Errors in OpenAI's format, from which its client libraries make their exceptions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from gateway.api.common.errors import Problem
from gateway.api.common.route import DialectRoute
from gateway.errors import BadRequest, GatewayError, InvalidRequest, NothingToSpeak
from gateway.service.request import invalid_request

# The gateway's field names in errors, mapped to this API's.
_FIELDS = {
    "text": "input",
    "engine": "model",
    "format": "response_format",
    "options.instructions": "instructions",
    "audio": "audio_sample",
}
# Codes that OpenAI clients check; all other codes are the native API's error types.
_CODES_BY_STATUS = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_AS_BAD_REQUEST = (InvalidRequest, NothingToSpeak)
_CODES_BY_TYPE = {"engine_not_found": "model_not_found", "bad_request": "invalid_value"}


class OpenAIRoute(DialectRoute):
    """Errors are ``{"error": {"message", "type", "param", "code"}}``; an invalid field is status 400."""

    malformed = BadRequest

    @classmethod
    def status(cls, kind: type[GatewayError]) -> int:
        """See :class:`DialectRoute`."""
        return super().status(BadRequest if kind in _AS_BAD_REQUEST else kind)

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error response."""
        if problem.status >= 500:
            type_ = "server_error"
        elif problem.status == 429:
            type_ = "rate_limit_error"
        else:
            type_ = "invalid_request_error"
        code = _CODES_BY_STATUS.get(problem.status) or _CODES_BY_TYPE.get(problem.type, problem.type)
        return {"error": {"message": problem.message, "type": type_, "param": problem.param, "code": code}}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with errors translated by :func:`as_openai`."""
        handle = super().get_route_handler()

        async def handle_as_openai(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:  # of the query string
                raise as_openai(invalid_request(error)) from None
            except GatewayError as error:
                raise as_openai(error) from error

        return handle_as_openai


def as_openai(error: GatewayError) -> GatewayError:
    """Translate an error: this API's field names, and status 400 for an invalid field."""
    param = _FIELDS.get(error.param, error.param) if error.param else None
    if type(error) in _AS_BAD_REQUEST:
        return BadRequest(error.message, param=param)
    error.param = param
    return error
