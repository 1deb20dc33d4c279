"""What the Fish-Speech dialects share: the classic error envelope and the fitting of sampling options."""

from __future__ import annotations

from gateway.api.common.errors import DialectRoute, Problem

_LEAST = {"top_p": 1e-6, "repetition_penalty": 0.1}
_MOST = {"max_new_tokens": 4096, "top_k": 4096}


class ClassicRoute(DialectRoute):
    """Errors are ``{"statusCode", "message", "error"}``."""

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error response; the message starts with the field at fault."""
        return {"statusCode": problem.status, "message": problem.described, "error": problem.phrase}


def fitted(option: str, value: float) -> float:
    """A sampling option moved to the nearest value that engines accept; Fish-Speech gave both the same meaning."""
    if option in _LEAST:
        return max(_LEAST[option], value)
    return min(_MOST[option], value) if option in _MOST else value
