"""Parsing of hub responses: error statuses, network errors, and entries of a listing."""

from __future__ import annotations

import reprlib
from typing import Any
from urllib.parse import urlsplit

import httpx

from backends.hub.content import RemoteFile, is_valid_entry
from backends.hub.errors import (
    AccessDenied,
    Broken,
    EndpointFailure,
    EntryNotFound,
    GatedRepository,
    HubError,
    IntegrityError,
    NotFound,
    Refused,
    RepositoryNotFound,
    RevisionNotFound,
    Stalled,
    TokenRejected,
    Unreachable,
)
from backends.hub.settings import OFFICIAL_ENDPOINT

_RETRYABLE = frozenset({408, 425, 429})
_MAX_RETRY_AFTER_S = 10.0
_MAX_SHOWN_CHARS = 200
_NOT_FOUND: dict[str, tuple[type[NotFound], str]] = {
    "RepoNotFound": (RepositoryNotFound, "no such repository"),
    "RevisionNotFound": (RevisionNotFound, "no such revision"),
    "EntryNotFound": (EntryNotFound, "no such file"),
}


def response_error(response: httpx.Response, what: str, *, own: bool, token_sent: bool) -> HubError | None:
    """The error of a final response; None for success.

    :param own: whether the endpoint itself responds, or a host it redirected to.
    """
    status = response.status_code
    if response.is_success:
        return None
    if status in _RETRYABLE or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Broken(f"{response.url.host} answers {status} for {what}", retry_after_s=_retry_after_s(response))
    if not own and "X-Error-Code" not in response.headers:
        # Mostly an expired signed URL; the endpoint issues a new one.
        return Broken(f"{response.url.host} (where it redirects to) answers {status} for {what}")
    return _client_error(response, status, what, token_sent)


def _client_error(response: httpx.Response, status: int, what: str, token_sent: bool) -> HubError:
    code = response.headers.get("X-Error-Code", "")
    reason = printable(response.headers.get("X-Error-Message", ""))
    if code == "GatedRepo":
        return _gated(response, what, token_sent)
    if code in _NOT_FOUND:
        kind, complaint = _NOT_FOUND[code]
        private = kind is RepositoryNotFound and not token_sent
        return kind(f"{what}: {complaint}" + (", or a private one: set HF_TOKEN" if private else ""))
    if status == httpx.codes.UNAUTHORIZED and token_sent:
        return TokenRejected(f"{what}: the token is rejected ({reason or 'no reason given'}); see HF_TOKEN")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        hint = "the token has no access" if token_sent else "set HF_TOKEN to a token that has access"
        return AccessDenied(f"{what}: answers {status} {reason}".rstrip() + f"; {hint}")
    if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        return NotFound(f"{what}: not found")
    return Refused(f"answers {status} {reason}".rstrip() + f" for {what}")


def _gated(response: httpx.Response, what: str, token_sent: bool) -> GatedRepository:
    path = urlsplit(str(response.request.url)).path.removeprefix("/api/models")
    repo = "/".join(path.strip("/").split("/")[:2])
    page = f"{OFFICIAL_ENDPOINT}/{repo}"
    token = (
        "the account of your HF_TOKEN has no access yet"
        if token_sent
        else f"then create a token at {OFFICIAL_ENDPOINT}/settings/tokens and set HF_TOKEN"
    )
    return GatedRepository(f"{what}: its license must be accepted first: log in and accept it at {page}; {token}")


def _retry_after_s(response: httpx.Response) -> float:
    try:
        asked_s = float(response.headers.get("Retry-After", 0))
    except ValueError:  # a date; not worth parsing for a wait of at most 10 s
        return 0.0
    return max(0.0, min(asked_s, _MAX_RETRY_AFTER_S))


def network_error(error: Exception, url: str, timeout: httpx.Timeout, *, own: bool) -> EndpointFailure:
    """Translate a network error, or an invalid URL."""
    host = url.partition("://")[2].partition("/")[0] + ("" if own else " (where it redirects to)")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | ValueError):
        # ValueError: a port out of range, a host's name that cannot be encoded (UnicodeError), brackets left open.
        return IntegrityError(f"{host[:100]} is not a URL, or redirects to an invalid one: {printable(str(error))}")
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Unreachable(f"no connection to {host} within {timeout.connect:g} s")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return Unreachable(f"no connection to {host}: {error}")
    if isinstance(error, httpx.TimeoutException):
        return Stalled(f"{host} sent nothing for {timeout.read:g} s")
    return Broken(f"the connection to {host} broke: {error or type(error).__name__}")


def parse_entry(entry: Any) -> RemoteFile | None:
    """Parse one entry of a listing; None for a folder.

    :raises IntegrityError: if a field is missing or invalid, or the path would leave the cache.
    """
    try:
        if entry["type"] != "file":
            return None
        lfs = entry.get("lfs") or {}
        size_bytes = lfs.get("size", entry["size"])
        file = RemoteFile(entry["path"], size_bytes, entry["oid"], lfs.get("oid"), entry.get("xetHash"))
    except (KeyError, TypeError, AttributeError):
        file = None
    if file is None or not is_valid_entry(file):
        raise IntegrityError(f"its listing has an invalid entry: {printable(reprlib.repr(entry))}")
    return file


def printable(text: str) -> str:
    """A server's text, shortened and without control characters, for logs and terminals."""
    return "".join(character for character in text[:_MAX_SHOWN_CHARS] if character.isprintable())
