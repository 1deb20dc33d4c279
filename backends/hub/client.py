"""One endpoint, asked over plain HTTP. Every network error becomes one of ``errors`` here and nowhere else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from backends.hub.answers import failure_of, listed_file, network_failure
from backends.hub.content import GIT_SHA1, RemoteFile, is_content_hash
from backends.hub.errors import BadHubSettings, Lying, Unreachable
from backends.hub.settings import Endpoint, HubSettings

_MAX_REDIRECTS = 5
_MAX_PAGES = 1000
_MAX_ANSWER_BYTES = 32 << 20
_DEFAULT_PORTS = {"http": 80, "https": 443}


def open_http(settings: HubSettings) -> httpx.Client:
    """A connection pool that follows no redirect by itself and uses the proxies of the environment.

    :raises BadHubSettings: a proxy variable cannot be used.
    """
    timeout = httpx.Timeout(settings.stall_timeout_s, connect=settings.connect_timeout_s)
    # Compressed bytes could be neither resumed nor counted against the file's size.
    headers = {"User-Agent": "voxgate", "Accept-Encoding": "identity"}
    try:
        return httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: SOCKS without socksio
        raise BadHubSettings(f"the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY cannot be used: {error}") from error


@dataclass(frozen=True, slots=True)
class Body:
    """A file's bytes on their way.

    :param start: the offset of the first byte; smaller than asked for where a server ignores ranges.
    """

    response: httpx.Response
    start: int

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they arrive."""
        return self.response.iter_bytes()


class EndpointClient:
    """What can be asked of one endpoint.

    Every method raises :class:`NotFound`, :class:`AccessDenied` or :class:`EndpointFailure` (all in ``errors``).
    """

    def __init__(self, http: httpx.Client, endpoint: Endpoint, settings: HubSettings):
        self.url = endpoint.url
        self._http = http
        self._settings = settings
        self._token = settings.token if endpoint.send_token else None

    def commit(self, repo: str, revision: str) -> str:
        """Resolve a branch, tag or abbreviated commit."""
        answer, _ = self._json(
            f"{self.url}/api/models/{repo}/revision/{quote(revision, safe='')}", f"{repo}@{revision}"
        )
        commit = answer.get("sha") if isinstance(answer, dict) else None
        if not isinstance(commit, str) or not GIT_SHA1.fullmatch(commit):
            raise Lying(f"its answer about {repo}@{revision} names no commit")
        return commit

    def listing(self, repo: str, commit: str) -> list[RemoteFile]:
        """Every file of the repository at a commit."""
        url: str | None = f"{self.url}/api/models/{repo}/tree/{commit}?recursive=true&expand=false"
        files: list[RemoteFile] = []
        for _ in range(_MAX_PAGES):
            if url is None:
                return files
            page, next_link = self._json(url, f"{repo}@{commit}")
            if not isinstance(page, list):
                raise Lying(f"its listing of {repo}@{commit} is not a list")
            files += [file for entry in page if (file := listed_file(entry)) is not None]
            url = self._own(next_link) if next_link else None
        raise Lying(f"its listing of {repo}@{commit} has no end")

    @contextmanager
    def open(self, repo: str, commit: str, file: RemoteFile, offset: int = 0) -> Iterator[Body]:
        """Start sending a file from ``offset``; what breaks while it is read is translated too."""
        url = f"{self.url}/{repo}/resolve/{commit}/{quote(file.path)}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._get(url, f"{file.path} in {repo}@{commit}", headers, file, commit) as response:
            yield Body(response, _start_of(response, offset, file.size_bytes))

    def answers(self) -> str:
        """Ask for anything at all; return a remark about the answer, empty when it looks like a hub's."""
        with self._get(f"{self.url}/api/models?limit=1", "its list of models", {}) as response:
            moved = _origin(str(response.url)) != _origin(self.url)
            kind = response.headers.get("Content-Type", "")
        remark = "" if "json" in kind else f"answers with {kind or 'nothing recognizable'}, unlike a hub"
        return f"sends visitors on to {response.url.host}" if moved and not remark else remark

    def _json(self, url: str, what: str) -> tuple[Any, str | None]:
        """Fetch a JSON document and the address of the page after it."""
        deadline_s = time.monotonic() + self._settings.metadata_timeout_s
        content = bytearray()
        with self._get(url, what, {}) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _MAX_ANSWER_BYTES:
                    raise Lying(f"its answer about {what} has no end")
                if time.monotonic() > deadline_s:
                    raise Unreachable(f"its answer about {what} took too long")
            next_link = response.links.get("next", {}).get("url")
        try:
            return json.loads(content), next_link
        except ValueError:
            raise Lying(f"its answer about {what} is not JSON but starts with {bytes(content[:40])!r}") from None

    def _own(self, link: str) -> str:
        """Put another host's address of this endpoint's API onto this endpoint.

        Mirrors pass on the official hub's links, and the official hub may be out of reach.
        """
        parts = urlsplit(urljoin(self.url + "/", link))
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
    ) -> Iterator[httpx.Response]:
        timeout_s = self._settings.metadata_timeout_s if file is None else self._settings.stall_timeout_s
        timeout = httpx.Timeout(timeout_s, connect=self._settings.connect_timeout_s)
        own = True  # until a redirect leaves the endpoint, and then for good
        for _ in range(_MAX_REDIRECTS):
            sent = dict(headers)
            if own and self._token:
                sent["Authorization"] = f"Bearer {self._token}"
            try:
                with self._http.stream("GET", url, headers=sent, timeout=timeout) as response:
                    if file is not None and (own or "X-Repo-Commit" in response.headers):
                        _check_same_file(response, file, commit)
                    if response.next_request is None:
                        if (failure := failure_of(response, what, own=own, token_sent=bool(self._token))) is not None:
                            raise failure
                        yield response
                        return
                    target = str(response.next_request.url)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise network_failure(error, url, timeout, own=own) from error
            if urlsplit(url).scheme == "https" != urlsplit(target).scheme:
                raise Lying(f"it redirects from https to {target.partition('?')[0]}")
            own = own and _origin(target) == _origin(self.url)
            url = target
        raise Lying(f"it redirects more than {_MAX_REDIRECTS} times")


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
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        unit, _, span = response.headers.get("Content-Range", "").partition(" ")
        first, _, rest = span.partition("-")
        total = rest.partition("/")[2]
        if encoded or unit != "bytes" or first != str(offset) or total not in (str(size_bytes), "*"):
            raise Lying(f"asked for bytes {offset}- of {size_bytes}, it sends {unit} {span or '(nothing said)'}")
        return offset
    length = response.headers.get("Content-Length")
    if length is not None and not encoded and length != str(size_bytes):
        raise Lying(f"it announces {length} bytes, expected {size_bytes}")
    return 0
