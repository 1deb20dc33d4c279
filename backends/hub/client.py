"""HTTP client of one endpoint. The only module that translates network errors into ``backends.hub.errors``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from backends.hub.connection import Connections, Deadline, read_chunks
from backends.hub.content import GIT_SHA1, RemoteFile, is_content_hash, path_conflict
from backends.hub.errors import IntegrityError, Stalled
from backends.hub.responses import network_error, parse_entry, printable, response_error
from backends.hub.settings import Endpoint, HubSettings

_MAX_REDIRECTS = 5
_MAX_PAGES = 1000
_MAX_RESPONSE_BYTES = 32 << 20
_MAX_LISTING_BYTES = 64 << 20
_MAX_FILES = 200_000
_LISTING_TIMEOUT_FACTOR = 10
"""A listing has many pages; all of them may take this many times the limit of one response."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Body:
    """A file's response body.

    :param chunks: the bytes as they arrive.
    :param start: offset of the first byte in the file; 0 if the server ignored the requested range.
    """

    chunks: Iterator[bytes]
    start: int


class EndpointClient:
    """The requests that Voxgate sends to an endpoint.

    Every method raises :class:`NotFound`, :class:`AccessDenied` or :class:`EndpointFailure` (all in ``errors``).
    """

    def __init__(self, http: Connections, endpoint: Endpoint, settings: HubSettings):
        self.url = endpoint.url
        self._http = http
        self._settings = settings
        self._token = settings.token if endpoint.send_token else None

    def commit(self, repo: str, revision: str) -> str:
        """Resolve a branch, tag or abbreviated commit."""
        answer, _, _ = self._json(
            f"{self.url}/api/models/{repo}/revision/{quote(revision, safe='')}", f"{repo}@{revision}"
        )
        commit = answer.get("sha") if isinstance(answer, dict) else None
        if not isinstance(commit, str) or not GIT_SHA1.fullmatch(commit):
            raise IntegrityError(f"its response for {repo}@{revision} names no commit")
        return commit

    def listing(self, repo: str, commit: str) -> list[RemoteFile]:
        """List every file of the repository at a commit."""
        url = f"{self.url}/api/models/{repo}/tree/{commit}?recursive=true&expand=false"
        what = f"{repo}@{commit}"
        deadline_s = time.monotonic() + _LISTING_TIMEOUT_FACTOR * self._settings.metadata_timeout_s
        files: dict[str, RemoteFile] = {}
        remaining_bytes = _MAX_LISTING_BYTES
        for _ in range(_MAX_PAGES):
            if (remaining_s := deadline_s - time.monotonic()) <= 0:
                raise Stalled(f"its listing of {what} takes too long: {len(files)} files so far")
            try:
                page, next_link, page_bytes = self._json(url, what, remaining_s)
            except Stalled as error:
                if time.monotonic() < deadline_s:
                    raise
                raise Stalled(f"its listing of {what} takes too long: {len(files)} files so far") from error
            if not isinstance(page, list):
                raise IntegrityError(f"its listing of {what} is not a list")
            for file in filter(None, map(parse_entry, page)):
                if file.path in files:
                    raise IntegrityError(f"its listing of {what} has {file.path} twice")
                files[file.path] = file
            remaining_bytes -= page_bytes
            if remaining_bytes < 0 or len(files) > _MAX_FILES:
                raise IntegrityError(f"its listing of {what} has no end")
            if not next_link:
                if path := path_conflict(files):
                    raise IntegrityError(f"its listing of {what} has {path} as a file and as a folder")
                return list(files.values())
            url = self._rebase(next_link)
        raise IntegrityError(f"its listing of {what} has no end")

    @contextmanager
    def open(self, repo: str, commit: str, file: RemoteFile, offset: int = 0) -> Iterator[Body]:
        """Request a file from ``offset``. Network errors while the body is read are translated, too."""
        url = f"{self.url}/{repo}/resolve/{commit}/{quote(file.path)}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._get(url, f"{file.path} in {repo}@{commit}", headers, file, commit) as (response, deadline):
            start = _body_offset(response, offset, file.size_bytes)
            # The read timeout ends silence; this limit ends a chunk that never completes.
            yield Body(read_chunks(response, deadline, 2 * self._settings.stall_timeout_s), start)

    def probe(self) -> str:
        """Send a small request; return a remark about the response, empty if it looks like a hub's."""
        with self._get(f"{self.url}/api/models?limit=1", "its list of models", {}) as (response, _):
            moved = _origin(str(response.url)) != _origin(self.url)
            kind = response.headers.get("Content-Type", "")
        remark = "" if "json" in kind else f"responds with {kind or 'no content type'}, unlike a hub"
        return f"redirects to {response.url.host}" if moved and not remark else remark

    def _json(self, url: str, what: str, limit_s: float = math.inf) -> tuple[Any, str | None, int]:
        """Fetch a JSON document; return it, the URL of the next page, and its length in bytes."""
        content = bytearray()
        with self._get(url, what, {}, limit_s=limit_s) as (response, deadline):
            for chunk in read_chunks(response, deadline):
                content += chunk
                if len(content) > _MAX_RESPONSE_BYTES:
                    raise IntegrityError(f"its response for {what} exceeds {_MAX_RESPONSE_BYTES} bytes")
            next_link = response.links.get("next", {}).get("url")
        try:
            return json.loads(content), next_link, len(content)
        except (ValueError, RecursionError):  # RecursionError: thousands of nested brackets
            raise IntegrityError(f"its response for {what} is not JSON: {bytes(content[:40])!r}") from None

    def _rebase(self, link: str) -> str:
        """Replace the host of a link to this endpoint's API by this endpoint.

        Mirrors pass on the official hub's links, and the official hub may be unreachable.
        """
        try:
            parts = urlsplit(urljoin(self.url + "/", link))
        except ValueError as error:
            raise IntegrityError(f"the next page of its listing has an invalid URL: {printable(str(error))}") from None
        base = urlsplit(self.url)
        path = parts.path if parts.path.startswith(base.path) else base.path + parts.path
        return f"{base.scheme}://{base.netloc}{path}?{parts.query}"

    @contextmanager
    def _get(
        self,
        url: str,
        what: str,
        headers: Mapping[str, str],
        file: RemoteFile | None = None,
        commit: str | None = None,
        limit_s: float = math.inf,
    ) -> Iterator[tuple[httpx.Response, Deadline]]:
        """Send a GET request and follow redirects.

        The deadline covers the whole response, or only its head if the response is a file.
        """
        timeout_s = self._settings.metadata_timeout_s if file is None else self._settings.stall_timeout_s
        timeout = httpx.Timeout(timeout_s, connect=self._settings.connect_timeout_s)
        own = True  # False for good once a redirect leaves the endpoint: no token from then on
        with self._http.deadline(min(timeout_s + self._settings.connect_timeout_s, limit_s)) as deadline:
            for _ in range(_MAX_REDIRECTS):
                with ExitStack() as responses:
                    # An invalid URL is a ValueError of whichever function parses it first. Not translated around the
                    # yield below, because the caller may raise a ValueError of its own.
                    with _network_errors(
                        url, timeout, deadline, (httpx.HTTPError, httpx.InvalidURL, ValueError), own=own
                    ):
                        sent = {**headers, "Authorization": f"Bearer {self._token}"} if own and self._token else headers
                        response = responses.enter_context(self._http.get(url, sent, timeout))
                        self._check(response, what, file, commit, own=own)
                        target = None if response.next_request is None else str(response.next_request.url)
                        stays = target is not None and _origin(target) == _origin(self.url)
                    if target is None:
                        with _network_errors(url, timeout, deadline, (httpx.HTTPError,), own=own):
                            yield response, deadline
                        return
                if urlsplit(url).scheme == "https" != urlsplit(target).scheme:
                    raise IntegrityError(f"it redirects from https to {printable(target.partition('?')[0])}")
                own = own and stays
                url = target
        raise IntegrityError(f"it redirects more than {_MAX_REDIRECTS} times")

    def _check(
        self, response: httpx.Response, what: str, file: RemoteFile | None, commit: str | None, *, own: bool
    ) -> None:
        if file is not None and (own or "X-Repo-Commit" in response.headers):
            _require_same_file(response, file, commit)
        if response.next_request is not None:
            return
        if (failure := response_error(response, what, own=own, token_sent=bool(self._token))) is not None:
            raise failure
        # Not requested, and a decompression bomb would be unpacked in memory.
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise IntegrityError(f"it sends {what} compressed ({printable(encoding)}) without being asked to")


@contextmanager
def _network_errors(
    url: str, timeout: httpx.Timeout, deadline: Deadline, kinds: tuple[type[Exception], ...], *, own: bool
) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        if deadline.expired:
            raise Stalled(
                f"{urlsplit(url).netloc} drips its response: incomplete after {deadline.timeout_s:g} s"
            ) from error
        raise network_error(error, url, timeout, own=own) from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _require_same_file(response: httpx.Response, file: RemoteFile, commit: str | None) -> None:
    """Check the headers against the expected file, so that bytes of two files are never joined."""
    served = response.headers.get("X-Repo-Commit")
    if served and served != commit:
        raise IntegrityError(f"it serves commit {served}, expected {commit}")
    raw = response.headers.get("X-Linked-Etag") or response.headers.get("ETag") or ""
    etag = raw.removeprefix("W/").strip('"')
    # A storage host's own ETag has another format and is ignored; one in the hub's format must match.
    if is_content_hash(etag) and len(etag) == len(file.etag) and etag != file.etag:
        raise IntegrityError(f"its {file.path} has hash {etag}, expected {file.etag}")


def _body_offset(response: httpx.Response, offset: int, size_bytes: int) -> int:
    """The offset of the body's first byte, after checking the range and the file's size."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        unit, _, span = response.headers.get("Content-Range", "").partition(" ")
        first, _, rest = span.partition("-")
        total = rest.partition("/")[2]
        if unit != "bytes" or first != str(offset) or total not in (str(size_bytes), "*"):
            raise IntegrityError(f"it sends {unit} {span or '(no range)'}, expected bytes {offset}- of {size_bytes}")
        return offset
    length = response.headers.get("Content-Length")
    if length is not None and length != str(size_bytes):
        raise IntegrityError(f"it announces {length} bytes, expected {size_bytes}")
    return 0
