"""Every error the gateway answers with. ``api/errors.py`` holds the one table from these to HTTP.

GatewayError
├── InvalidRequest          a field is wrong: `param` names it
│   ├── UnsupportedMedia    the body's content type, or an audio file, is of a kind not understood
│   └── BadRequest          the same as InvalidRequest, where an API answers it with another status
├── BodyTooLarge
├── BodyTimeout             the request's body came too slowly
├── SessionIdle             nothing was said or sent in a live session for too long
├── Unauthorized            no API key, or a wrong one
├── RateLimited             more requests than its API key may send: try later
├── NotAcceptable           no kind of answer that the request accepts can be made
├── CrossSite               a web page of another site wants to change something
├── Forbidden               the settings do not allow it
├── NotFound
│   ├── EngineNotFound
│   └── VoiceNotFound
├── Conflict                what is to be created exists already, or is not ours to change
├── EngineUnavailable       not loaded yet, restarting, failed to load: try later
├── LoadFailed              a model that was to be loaded cannot be
├── QueueFull               too many requests wait for the engine: try later
├── Overloaded              too many requests, or too much unread audio, in the gateway as a whole: try later
├── DeadlineExceeded        the answer would come too late
├── SynthesisFailed         the engine failed on this request, or died over it
├── ClientGone              the client hung up; nobody reads the answer
└── ConfigError             a setting is wrong: start-up ends
"""

from __future__ import annotations

_LONGEST_PARAM = 200


class GatewayError(Exception):
    """Root of the tree.

    :param message: for the person who sent the request: what is wrong and what would be right.
    :param param: the request field or setting at fault.
    :param retry_after_s: when trying again makes sense.
    """

    type: str = "internal_error"
    max_chars: int = 1000  # many messages repeat what the request has, which may be megabytes

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None):
        message = shortened(message, self.max_chars)
        super().__init__(message)
        self.message = message
        self.param = param if param is None else shortened(param, _LONGEST_PARAM)
        self.retry_after_s = retry_after_s


class InvalidRequest(GatewayError):
    """A field of the request is wrong."""

    type = "invalid_request"


class UnsupportedMedia(InvalidRequest):
    """The request's or a file's media type is not understood."""

    type = "unsupported_media"


class BadRequest(InvalidRequest):
    """What is wrong with the request has a status of its own in the API it came through."""

    type = "bad_request"


class BodyTooLarge(GatewayError):
    """The request body is over the limit."""

    type = "body_too_large"


class BodyTimeout(GatewayError):
    """The request body was not complete in time."""

    type = "body_timeout"


class SessionIdle(GatewayError):
    """A live session had nothing to do for too long."""

    type = "session_idle"


class Unauthorized(GatewayError):
    """The request has no valid API key.

    :param given: whether it has one at all.
    """

    type = "unauthorized"

    def __init__(self, message: str, *, given: bool = False):
        super().__init__(message)
        self.given = given


class RateLimited(GatewayError):
    """The API key has sent more requests than it may."""

    type = "rate_limited"


class NotAcceptable(GatewayError):
    """The request accepts no kind of answer that can be made."""

    type = "not_acceptable"


class CrossSite(GatewayError):
    """A browser sent this on behalf of another site's page."""

    type = "cross_site"


class Forbidden(GatewayError):
    """The settings do not allow what the request asks for."""

    type = "forbidden"


class NotFound(GatewayError):
    """There is no such thing."""

    type = "not_found"


class EngineNotFound(NotFound):
    """No engine of that name is configured; the message lists those that are."""

    type = "engine_not_found"


class VoiceNotFound(NotFound):
    """No voice of that name or id is known to the engine or the voice store."""

    type = "voice_not_found"


class Conflict(GatewayError):
    """It exists already, or belongs to someone else."""

    type = "conflict"


class EngineUnavailable(GatewayError):
    """The engine cannot take the request now."""

    type = "engine_unavailable"


class LoadFailed(GatewayError):
    """A model that was to be loaded cannot be; the message is its engine's."""

    type = "load_failed"


class QueueFull(GatewayError):
    """More requests wait for the engine than may."""

    type = "queue_full"


class Overloaded(GatewayError):
    """The gateway as a whole has too much on its hands."""

    type = "overloaded"


class DeadlineExceeded(GatewayError):
    """The audio was not finished in time."""

    type = "deadline_exceeded"


class SynthesisFailed(GatewayError):
    """The engine failed on this request."""

    type = "synthesis_failed"


class ClientGone(GatewayError):
    """The client closed the connection before the answer was complete."""

    type = "client_gone"


class ConfigError(GatewayError):
    """A setting is wrong; the message names the key and where it was set."""

    type = "config_error"
    max_chars = 100_000  # all complaints at once


def shortened(text: str, max_chars: int) -> str:
    """A text with its middle left out where it is too long; beginning and end tell what it is about."""
    if len(text) <= max_chars:
        return text
    end = max_chars // 4
    return f"{text[: max_chars - end - 3]} … {text[-end:]}"
