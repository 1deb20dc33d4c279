"""The gateway's error types. ``api/common/errors.py`` maps them to HTTP statuses in one table.

GatewayError
├── InvalidRequest          invalid field; `param` names it
│   ├── NothingToSpeak      the text has no letter and no digit
│   ├── UnsupportedMedia    unsupported content type of the body, or unsupported audio file
│   └── BadRequest          an InvalidRequest to which an API assigns another status
├── BodyTooLarge
├── BodyTimeout             the request body did not arrive in time
├── SessionIdle             a live session had no text and no audio for too long
├── Unauthorized            missing or unknown API key
├── RateLimited             the API key is over its limits; retry later
├── NotAcceptable           no response format that the request accepts is available
├── CrossSite               a browser sent the request from another site's page
├── Forbidden               the settings do not allow the request
├── NotFound
│   ├── EngineNotFound
│   ├── VoiceNotFound
│   └── LexiconNotFound
├── Conflict                the object exists already, or requests must not change it
├── EngineUnavailable       not loaded yet, restarting or failed to load; retry later
├── LoadFailed              a model could not be loaded
├── QueueFull               the engine's queue is full; retry later
├── Overloaded              too many requests, or too much unread audio, in the whole gateway; retry later
├── InsufficientStorage     the disk is full or cannot be written
├── DeadlineExceeded        the audio was not finished in time
├── SynthesisFailed         the engine failed on this request, or its worker died
├── ClientGone              the client disconnected
└── ConfigError             invalid setting; startup ends
"""

from __future__ import annotations

_MAX_PARAM_CHARS = 200


class GatewayError(Exception):
    """Root of the tree.

    :param message: for the sender of the request: the value, the rule and the fix.
    :param param: the invalid request field or setting.
    :param retry_after_s: time after which a retry may succeed.
    """

    type: str = "internal_error"
    max_chars: int = 1000  # messages may quote values of the request, which can be megabytes

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None):
        message = shortened(message, self.max_chars)
        super().__init__(message)
        self.message = message
        self.param = param if param is None else shortened(param, _MAX_PARAM_CHARS)
        self.retry_after_s = retry_after_s

    @property
    def logged(self) -> str:
        """The message for a log, where the text of a request must not be."""
        return self.message


class InvalidRequest(GatewayError):
    """A field of the request is invalid."""

    type = "invalid_request"

    @property
    def logged(self) -> str:
        """The invalid field, because the message may quote the text of the request."""
        return f"invalid {self.param or 'request'}"


class NothingToSpeak(InvalidRequest):
    """The text has no letter and no digit. Some APIs respond with silence instead."""

    type = "nothing_to_speak"


class UnsupportedMedia(InvalidRequest):
    """The content type of the request, or the format of a file in it, is not supported."""

    type = "unsupported_media"


class BadRequest(InvalidRequest):
    """The request is invalid, and its API has a status of its own for the reason."""

    type = "bad_request"


class BodyTooLarge(GatewayError):
    """The request body is over the limit."""

    type = "body_too_large"


class BodyTimeout(GatewayError):
    """The request body did not arrive in time."""

    type = "body_timeout"


class SessionIdle(GatewayError):
    """A live session had no text and no audio for too long."""

    type = "session_idle"


class Unauthorized(GatewayError):
    """The request has no valid API key.

    :param given: whether it has an unknown one.
    """

    type = "unauthorized"

    def __init__(self, message: str, *, given: bool = False):
        super().__init__(message)
        self.given = given


class RateLimited(GatewayError):
    """The API key is over its limits."""

    type = "rate_limited"


class NotAcceptable(GatewayError):
    """No response format that the request accepts is available."""

    type = "not_acceptable"


class CrossSite(GatewayError):
    """A browser sent the request from another site's page."""

    type = "cross_site"


class Forbidden(GatewayError):
    """The settings do not allow the request."""

    type = "forbidden"


class NotFound(GatewayError):
    """The requested object does not exist."""

    type = "not_found"


class EngineNotFound(NotFound):
    """No engine has this name; the message lists the configured ones."""

    type = "engine_not_found"


class VoiceNotFound(NotFound):
    """Neither the engine nor the voice store has a voice with this name or ID."""

    type = "voice_not_found"


class LexiconNotFound(NotFound):
    """No pronunciation dictionary has this name, or its file is damaged; the message lists the stored ones."""

    type = "lexicon_not_found"


class Conflict(GatewayError):
    """The object exists already, or requests must not change it."""

    type = "conflict"


class EngineUnavailable(GatewayError):
    """The engine is not ready."""

    type = "engine_unavailable"


class LoadFailed(GatewayError):
    """A model could not be loaded; the message is the engine's."""

    type = "load_failed"


class QueueFull(GatewayError):
    """The engine's queue is full."""

    type = "queue_full"


class Overloaded(GatewayError):
    """The whole gateway has too many requests or too much unread audio."""

    type = "overloaded"


class InsufficientStorage(GatewayError):
    """The disk is full or cannot be written."""

    type = "insufficient_storage"


class DeadlineExceeded(GatewayError):
    """The audio was not finished in time."""

    type = "deadline_exceeded"


class SynthesisFailed(GatewayError):
    """The engine failed on this request, or its worker died."""

    type = "synthesis_failed"


class ClientGone(GatewayError):
    """The client disconnected before the response was complete."""

    type = "client_gone"


class ClientStalled(Exception):
    """The client did not read its response for too long, and has been disconnected: no response is possible."""

    type = "client_stalled"


class ConfigError(GatewayError):
    """A setting is invalid; the message names the key and its source."""

    type = "config_error"
    max_chars = 100_000  # one message lists all errors


def shortened(text: str, max_chars: int) -> str:
    """Shorten a text to ``max_chars`` by replacing its middle with an ellipsis."""
    if len(text) <= max_chars:
        return text
    end = max_chars // 4
    return f"{text[: max_chars - end - 3]} … {text[-end:]}"
