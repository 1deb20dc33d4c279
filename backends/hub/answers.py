"""Reads a hub's answers: which error a status or a broken connection is, and what an entry of a listing says."""

from __future__ import annotations

import reprlib
from typing import Any
from urllib.parse import urlsplit

import httpx

from backends.hub.content import RemoteFile, is_sound
from backends.hub.errors import (
    AccessDenied,
    Broken,
    EndpointFailure,
    EntryNotFound,
    GatedRepository,
    HubError,
    Lying,
    NotFound,
    Refused,
    RepositoryNotFound,
    RevisionNotFound,
    Stalled,
    TokenRejected,
    Unreachable,
)
from backends.hub.settings import OFFICIAL_ENDPOINT

_BUSY = frozenset({408, 425, 429})
_MAX_RETRY_AFTER_S = 10.0
_SAID_CHARACTERS = 200
_NOT_FOUND: dict[str, tuple[type[NotFound], str]] = {
    "RepoNotFound": (RepositoryNotFound, "no such repository"),
    "RevisionNotFound": (RevisionNotFound, "no such revision"),
    "EntryNotFound": (EntryNotFound, "no such file"),
}


def failure_of(response: httpx.Response, what: str, *, own: bool, token_sent: bool) -> HubError | None:
    """Which error a final answer is; None for success.

    :param own: whether the endpoint itself answers, or a host it redirected to.
    """
    status = response.status_code
    if response.is_success:
        return None
    if status in _BUSY or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Broken(f"{response.url.host} answers {status} for {what}", retry_after_s=_retry_after_s(response))
    if not own and "X-Error-Code" not in response.headers:
        # A storage host's refusal is mostly a signed address that ran out: the endpoint gives a new one.
        return Broken(f"{response.url.host} (where it redirects to) answers {status} for {what}")
    return _refusal(response, status, what, token_sent)


def _refusal(response: httpx.Response, status: int, what: str, token_sent: bool) -> HubError:
    code = response.headers.get("X-Error-Code", "")
    said = shortened(response.headers.get("X-Error-Message", ""))
    if code == "GatedRepo":
        return _gated(response, what, token_sent)
    if code in _NOT_FOUND:
        kind, complaint = _NOT_FOUND[code]
        private = kind is RepositoryNotFound and not token_sent
        return kind(f"{what}: {complaint}" + (", or a private one: it would need HF_TOKEN" if private else ""))
    if status == httpx.codes.UNAUTHORIZED and token_sent:
        return TokenRejected(f"{what}: the token is refused ({said or 'no reason given'}); see HF_TOKEN")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        hint = "the token does not open it" if token_sent else "it needs a token, see HF_TOKEN"
        return AccessDenied(f"{what}: answers {status} {said}".rstrip() + f"; {hint}")
    if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        return NotFound(f"{what}: not found")
    return Refused(f"answers {status} {said}".rstrip() + f" for {what}")


def _gated(response: httpx.Response, what: str, token_sent: bool) -> GatedRepository:
    path = urlsplit(str(response.request.url)).path.removeprefix("/api/models")
    repo = "/".join(path.strip("/").split("/")[:2])
    page = f"{OFFICIAL_ENDPOINT}/{repo}"
    token = (
        "the account of your HF_TOKEN has not been let in"
        if token_sent
        else f"then create a token at {OFFICIAL_ENDPOINT}/settings/tokens and set HF_TOKEN"
    )
    return GatedRepository(f"{what}: its licence has to be accepted first: log in and accept it at {page}; {token}")


def _retry_after_s(response: httpx.Response) -> float:
    try:
        asked_s = float(response.headers.get("Retry-After", 0))
    except ValueError:  # a date: not worth parsing for a wait this short
        return 0.0
    return max(0.0, min(asked_s, _MAX_RETRY_AFTER_S))


def network_failure(error: Exception, url: str, timeout: httpx.Timeout, *, own: bool) -> EndpointFailure:
    """Which error a broken connection is, or an address that cannot be connected to."""
    host = url.partition("://")[2].partition("/")[0] + ("" if own else " (where it redirects to)")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | ValueError):
        # ValueError: a port out of range, a host's name that cannot be encoded (UnicodeError), brackets left open.
        return Lying(f"{host[:100]} is no address, or redirects to something that is none: {shortened(str(error))}")
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Unreachable(f"no connection to {host} within {timeout.connect:g} s")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return Unreachable(f"no connection to {host}: {error}")
    if isinstance(error, httpx.TimeoutException):
        return Stalled(f"{host} sent nothing for {timeout.read:g} s")
    return Broken(f"the connection to {host} broke: {error or type(error).__name__}")


def listed_file(entry: Any) -> RemoteFile | None:
    """Read one entry of a listing; None for a folder.

    :raises Lying: the entry is not what a hub lists, or its path would leave the cache.
    """
    try:
        if entry["type"] != "file":
            return None
        lfs = entry.get("lfs") or {}
        size_bytes = lfs.get("size", entry["size"])
        file = RemoteFile(entry["path"], size_bytes, entry["oid"], lfs.get("oid"), entry.get("xetHash"))
    except (KeyError, TypeError, AttributeError):
        file = None
    if file is None or not is_sound(file):
        raise Lying(f"its listing has an entry that makes no sense: {shortened(reprlib.repr(entry))}")
    return file


def shortened(text: str) -> str:
    """What a server said, fit for a log and a terminal."""
    return "".join(character for character in text[:_SAID_CHARACTERS] if character.isprintable())
