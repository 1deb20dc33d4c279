"""Errors as OpenAI's API has them, and so as its client libraries raise them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from gateway.api.common.errors import DialectRoute, Problem
from gateway.errors import BadRequest, GatewayError, InvalidRequest

# What errors call a field, and what this API does.
_FIELDS = {
    "text": "input",
    "engine": "model",
    "format": "response_format",
    "options.instructions": "instructions",
    "audio": "audio_sample",
}
# Codes that programs written for OpenAI look for; all others are the types of the native API.
_CODES_BY_STATUS = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_CODES_BY_TYPE = {"engine_not_found": "model_not_found", "bad_request": "invalid_value"}


class OpenAIRoute(DialectRoute):
    """Errors are ``{"error": {"message", "type", "param", "code"}}``; wrong fields are a 400."""

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error answer."""
        if problem.status >= 500:
            type_ = "server_error"
        elif problem.status == 429:
            type_ = "rate_limit_error"
        else:
            type_ = "invalid_request_error"
        code = _CODES_BY_STATUS.get(problem.status) or _CODES_BY_TYPE.get(problem.type, problem.type)
        return {"error": {"message": problem.message, "type": type_, "param": problem.param, "code": code}}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, whose errors are made this API's."""
        handle = super().get_route_handler()

        async def handle_as_openai(request: Request) -> Response:
            try:
                return await handle(request)
            except GatewayError as error:
                raise as_openai(error) from error

        return handle_as_openai


def as_openai(error: GatewayError) -> GatewayError:
    """The same error with this API's status for a wrong field, and its name."""
    param = _FIELDS.get(error.param, error.param) if error.param else None
    if type(error) is InvalidRequest:
        return BadRequest(error.message, param=param)
    error.param = param
    return error
