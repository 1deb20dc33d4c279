"""The requests to one endpoint, through huggingface_hub, and their failures in the words of ``backends.hub.errors``.

Importing huggingface_hub takes a second, so this module is imported by the first request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from backends.hub.cache import COMMIT, RemoteFile
from backends.hub.errors import (
    AccessDenied,
    EndpointFailure,
    GatedRepository,
    HubError,
    NotFound,
    Refused,
    WrongBytes,
)
from backends.hub.settings import OFFICIAL_ENDPOINT, Endpoint, HubSettings, first_endpoint_only

with first_endpoint_only():
    import httpx2
    from huggingface_hub import HfApi, errors, hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import get_session, hf_raise_for_status

_RETRYABLE = frozenset({408, 425, 429})


class Remote:
    """One endpoint.

    Every method raises :class:`NotFound`, :class:`AccessDenied` or :class:`EndpointFailure`.
    """

    def __init__(self, endpoint: Endpoint, settings: HubSettings):
        self.url = endpoint.url
        # None: huggingface_hub's, from HF_TOKEN or the file that `hf auth login` writes.
        self._token = None if endpoint.send_token else False
        connect_s = settings.connect_timeout_s
        self._metadata_timeout = httpx2.Timeout(settings.metadata_timeout_s, connect=connect_s)
        self._file_timeout = httpx2.Timeout(settings.stall_timeout_s, connect=connect_s)

    def resolve(self, repo: str, revision: str) -> tuple[str, list[RemoteFile]]:
        """The commit of a branch, tag or commit, and the repository's files there."""
        with self._failures(f"{repo}@{revision}", self._metadata_timeout):
            info = HfApi(endpoint=self.url, token=self._token).model_info(
                repo,
                revision=revision,
                files_metadata=True,
                timeout=self._metadata_timeout,  # type: ignore[arg-type]
            )
            if not info.sha or not COMMIT.fullmatch(info.sha):
                raise ValueError("it names no commit")
            files = [
                RemoteFile.parse(file.rfilename, file.size, file.blob_id, file.lfs and file.lfs.sha256)
                for file in info.siblings or ()
            ]
            return info.sha, sorted(files, key=lambda file: file.path)

    @contextmanager
    def open(self, repo: str, commit: str, path: str, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Request a file from ``offset``.

        Yields the offset of the first byte, which is 0 if the server ignored the range, and the bytes as they arrive.
        """
        url = hf_hub_url(repo, path, revision=commit, endpoint=self.url)
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        what, timeout = f"{path} in {repo}@{commit}", self._file_timeout
        with ExitStack() as stack:
            with self._failures(what, timeout):
                sent = build_hf_headers(token=self._token, headers=headers)
                response = stack.enter_context(get_session().stream("GET", url, headers=sent, timeout=timeout))
                hf_raise_for_status(response)

            def chunks() -> Iterator[bytes]:
                with self._failures(what, timeout):
                    yield from response.iter_raw()

            yield (offset if response.status_code == httpx2.codes.PARTIAL_CONTENT else 0), chunks()

    def probe(self) -> str:
        """Send a small request; return a remark about the response, empty if it looks like a hub's."""
        with self._failures("its list of models", self._metadata_timeout):
            response = get_session().get(f"{self.url}/api/models?limit=1", timeout=self._metadata_timeout)
            hf_raise_for_status(response)
        kind = response.headers.get("Content-Type", "no content type")
        return "" if "json" in kind else f"responds with {kind}, unlike a hub"

    @contextmanager
    def _failures(self, what: str, timeout: httpx2.Timeout) -> Iterator[None]:
        try:
            yield
        except errors.HfHubHTTPError as error:
            raise self._status_error(error, what) from error
        except httpx2.HTTPError as error:
            raise self._network_error(error, timeout) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, httpx2.InvalidURL) as error:
            raise WrongBytes(f"its response for {what} is not a hub's: {_printable(error)}") from error

    def _status_error(self, error: errors.HfHubHTTPError, what: str) -> HubError:
        response = error.response
        status = response.status_code
        reason = f"answers {status} {_printable(response.headers.get('X-Error-Message', ''))}".rstrip()
        if isinstance(error, errors.GatedRepoError):
            page = f"{OFFICIAL_ENDPOINT}/{what.split(' in ')[-1].split('@')[0]}"
            return GatedRepository(
                f"{what}: its license must be accepted first: log in and accept it at {page}, then set HF_TOKEN to a"
                f" token of that account ({OFFICIAL_ENDPOINT}/settings/tokens)"
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return NotFound(f"{what}: no such repository, or a private one: set HF_TOKEN to a token that has access")
        if isinstance(error, errors.RevisionNotFoundError):
            return NotFound(f"{what}: no such revision")
        if status in _RETRYABLE or status >= httpx2.codes.INTERNAL_SERVER_ERROR or self._host(response.request):
            # A storage host's refusal is mostly an expired signed URL; the endpoint issues a new one.
            return EndpointFailure(f"{reason} for {what}{self._host(response.request)}")
        if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            return AccessDenied(f"{what}: {reason}; set HF_TOKEN to a token that has access")
        if status in (httpx2.codes.NOT_FOUND, httpx2.codes.GONE):
            return NotFound(f"{what}: not found")
        return Refused(f"{reason} for {what}")

    def _network_error(self, error: httpx2.HTTPError, timeout: httpx2.Timeout) -> EndpointFailure:
        try:
            request = error.request
        except RuntimeError:  # before there was one
            return EndpointFailure(f"{self.url}: {_printable(error)}")
        host = f"{request.url.netloc.decode()}{self._host(request)}"
        if isinstance(error, httpx2.TooManyRedirects):
            return Refused(f"{host} redirects in a circle")
        if isinstance(error, httpx2.ConnectTimeout):
            return EndpointFailure(f"no connection to {host} within {timeout.connect:g} s")
        if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
            return EndpointFailure(f"no connection to {host}: {_printable(error)}")
        if isinstance(error, httpx2.TimeoutException):
            return EndpointFailure(f"{host} sent nothing for {timeout.read:g} s")
        return EndpointFailure(f"the connection to {host} broke: {_printable(error) or type(error).__name__}")

    def _host(self, request: httpx2.Request) -> str:
        """A remark if the request went to another host than the endpoint; else empty."""
        here = request.url.netloc.decode() == urlsplit(self.url).netloc
        return "" if here else " (where it redirects to)"


def _printable(text: object) -> str:
    """A server's text, shortened and without control characters, for logs and terminals."""
    return "".join(character for character in str(text)[:200] if character.isprintable())
