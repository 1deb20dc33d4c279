"""One endpoint, asked over plain HTTP. Every network error becomes one of ``errors`` here and nowhere else."""

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

from backends.hub.answers import failure_of, listed_file, network_failure, shortened
from backends.hub.connection import Connections, Watch, pieces
from backends.hub.content import GIT_SHA1, RemoteFile, contradiction, is_content_hash
from backends.hub.errors import Lying, Stalled
from backends.hub.settings import Endpoint, HubSettings

_MAX_REDIRECTS = 5
_MAX_PAGES = 1000
_MAX_ANSWER_BYTES = 32 << 20
_MAX_LISTING_BYTES = 64 << 20
_MAX_FILES = 200_000
_LISTING_PATIENCE = 10
"""How many times the patience for one answer a listing may take, which is many answers."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Body:
    """A file's bytes on their way.

    :param chunks: the bytes as they arrive.
    :param start: the offset of the first byte; smaller than asked for where a server ignores ranges.
    """

    chunks: Iterator[bytes]
    start: int


class EndpointClient:
    """What can be asked of one endpoint.

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
            raise Lying(f"its answer about {repo}@{revision} names no commit")
        return commit

    def listing(self, repo: str, commit: str) -> list[RemoteFile]:
        """Every file of the repository at a commit."""
        url = f"{self.url}/api/models/{repo}/tree/{commit}?recursive=true&expand=false"
        what = f"{repo}@{commit}"
        until_s = time.monotonic() + _LISTING_PATIENCE * self._settings.metadata_timeout_s
        files: dict[str, RemoteFile] = {}
        budget_bytes = _MAX_LISTING_BYTES
        for _ in range(_MAX_PAGES):
            if (left_s := until_s - time.monotonic()) <= 0:
                raise Stalled(f"its listing of {what} takes too long: {len(files)} files so far")
            try:
                page, next_link, page_bytes = self._json(url, what, left_s)
            except Stalled as error:
                if time.monotonic() < until_s:
                    raise
                raise Stalled(f"its listing of {what} takes too long: {len(files)} files so far") from error
            if not isinstance(page, list):
                raise Lying(f"its listing of {what} is not a list")
            for file in filter(None, map(listed_file, page)):
                if file.path in files:
                    raise Lying(f"its listing of {what} has {file.path} twice")
                files[file.path] = file
            budget_bytes -= page_bytes
            if budget_bytes < 0 or len(files) > _MAX_FILES:
                raise Lying(f"its listing of {what} has no end")
            if not next_link:
                if both := contradiction(files):
                    raise Lying(f"its listing of {what} has {both} as a file and as a folder")
                return list(files.values())
            url = self._own(next_link)
        raise Lying(f"its listing of {what} has no end")

    @contextmanager
    def open(self, repo: str, commit: str, file: RemoteFile, offset: int = 0) -> Iterator[Body]:
        """Start sending a file from ``offset``; what breaks while it is read is translated too."""
        url = f"{self.url}/{repo}/resolve/{commit}/{quote(file.path)}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._get(url, f"{file.path} in {repo}@{commit}", headers, file, commit) as (response, watch):
            start = _start_of(response, offset, file.size_bytes)
            # Silence ends by the read timeout; this is for bytes that come and never make up a piece.
            yield Body(pieces(response, watch, 2 * self._settings.stall_timeout_s), start)

    def answers(self) -> str:
        """Ask for anything at all; return a remark about the answer, empty when it looks like a hub's."""
        with self._get(f"{self.url}/api/models?limit=1", "its list of models", {}) as (response, _):
            moved = _origin(str(response.url)) != _origin(self.url)
            kind = response.headers.get("Content-Type", "")
        remark = "" if "json" in kind else f"answers with {kind or 'nothing recognizable'}, unlike a hub"
        return f"sends visitors on to {response.url.host}" if moved and not remark else remark

    def _json(self, url: str, what: str, within_s: float = math.inf) -> tuple[Any, str | None, int]:
        """Fetch a JSON document; return it, the address of the page after it, and its length."""
        content = bytearray()
        with self._get(url, what, {}, within_s=within_s) as (response, watch):
            for chunk in pieces(response, watch):
                content += chunk
                if len(content) > _MAX_ANSWER_BYTES:
                    raise Lying(f"its answer about {what} has no end")
            next_link = response.links.get("next", {}).get("url")
        try:
            return json.loads(content), next_link, len(content)
        except (ValueError, RecursionError):  # RecursionError: brackets within brackets, by the thousand
            raise Lying(f"its answer about {what} is not JSON but starts with {bytes(content[:40])!r}") from None

    def _own(self, link: str) -> str:
        """Put another host's address of this endpoint's API onto this endpoint.

        Mirrors pass on the official hub's links, and the official hub may be out of reach.
        """
        try:
            parts = urlsplit(urljoin(self.url + "/", link))
        except ValueError as error:
            raise Lying(f"the next page of its listing is no address: {shortened(str(error))}") from None
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
        within_s: float = math.inf,
    ) -> Iterator[tuple[httpx.Response, Watch]]:
        """Ask, following redirects. The watch bounds all of an answer that is no file, and the head of one that is."""
        timeout_s = self._settings.metadata_timeout_s if file is None else self._settings.stall_timeout_s
        timeout = httpx.Timeout(timeout_s, connect=self._settings.connect_timeout_s)
        own = True  # until a redirect leaves the endpoint, and then for good
        with self._http.watched(min(timeout_s + self._settings.connect_timeout_s, within_s)) as watch:
            for _ in range(_MAX_REDIRECTS):
                with ExitStack() as open_answers:
                    # An odd address is a ValueError from wherever it is first taken apart. Only here: whoever reads
                    # the body may raise one of their own.
                    with _translated(url, timeout, watch, (httpx.HTTPError, httpx.InvalidURL, ValueError), own=own):
                        sent = {**headers, "Authorization": f"Bearer {self._token}"} if own and self._token else headers
                        response = open_answers.enter_context(self._http.get(url, sent, timeout))
                        self._check(response, what, file, commit, own=own)
                        target = None if response.next_request is None else str(response.next_request.url)
                        stays = target is not None and _origin(target) == _origin(self.url)
                    if target is None:
                        with _translated(url, timeout, watch, (httpx.HTTPError,), own=own):
                            yield response, watch
                        return
                if urlsplit(url).scheme == "https" != urlsplit(target).scheme:
                    raise Lying(f"it redirects from https to {shortened(target.partition('?')[0])}")
                own = own and stays
                url = target
        raise Lying(f"it redirects more than {_MAX_REDIRECTS} times")

    def _check(
        self, response: httpx.Response, what: str, file: RemoteFile | None, commit: str | None, *, own: bool
    ) -> None:
        if file is not None and (own or "X-Repo-Commit" in response.headers):
            _check_same_file(response, file, commit)
        if response.next_request is not None:
            return
        if (failure := failure_of(response, what, own=own, token_sent=bool(self._token))) is not None:
            raise failure
        # Nobody asked for it, and what unpacks to a thousand times its size would be unpacked in memory.
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise Lying(f"it sends {what} compressed ({shortened(encoding)}), unasked")


@contextmanager
def _translated(
    url: str, timeout: httpx.Timeout, watch: Watch, kinds: tuple[type[Exception], ...], *, own: bool
) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        if watch.fired:
            raise Stalled(f"{urlsplit(url).netloc} drips its answer: not there within {watch.within_s:g} s") from error
        raise network_failure(error, url, timeout, own=own) from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _check_same_file(response: httpx.Response, file: RemoteFile, commit: str | None) -> None:
    """Compare what the endpoint says about the file with what is expected: bytes of two files are never joined."""
    served = response.headers.get("X-Repo-Commit")
    if served and served != commit:
        raise Lying(f"it serves commit {served} where {commit} was asked for")
    raw = response.headers.get("X-Linked-Etag") or response.headers.get("ETag") or ""
    etag = raw.removeprefix("W/").strip('"')
    # A storage host's own kind of etag says nothing; one of the hub's kind must be the right one.
    if is_content_hash(etag) and len(etag) == len(file.etag) and etag != file.etag:
        raise Lying(f"its {file.path} is {etag}, expected {file.etag}")


def _start_of(response: httpx.Response, offset: int, size_bytes: int) -> int:
    """Where the body starts, after checking that it belongs to a file of the right size."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        unit, _, span = response.headers.get("Content-Range", "").partition(" ")
        first, _, rest = span.partition("-")
        total = rest.partition("/")[2]
        if unit != "bytes" or first != str(offset) or total not in (str(size_bytes), "*"):
            raise Lying(f"asked for bytes {offset}- of {size_bytes}, it sends {unit} {span or '(nothing said)'}")
        return offset
    length = response.headers.get("Content-Length")
    if length is not None and length != str(size_bytes):
        raise Lying(f"it announces {length} bytes, expected {size_bytes}")
    return 0
