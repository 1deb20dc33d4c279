"""Shared parts of the Fish-Speech dialects: the classic error envelope and the clamping of sampling options."""

from __future__ import annotations

from gateway.api.common.errors import Problem
from gateway.api.common.route import DialectRoute
from gateway.errors import BadRequest

_MIN = {"top_p": 1e-6, "repetition_penalty": 0.1}
_MAX = {"max_new_tokens": 4096, "top_k": 4096}


class ClassicRoute(DialectRoute):
    """Errors are ``{"statusCode", "message", "error"}``."""

    malformed = BadRequest

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error response; the message starts with the invalid field."""
        return {"statusCode": problem.status, "message": problem.described, "error": problem.phrase}


def clamp_option(option: str, value: float) -> float:
    """Clamp a sampling option to the range that engines accept; to Fish-Speech both values mean the same."""
    if option in _MIN:
        return max(_MIN[option], value)
    return min(_MAX[option], value) if option in _MAX else value
