"""Hub settings: endpoints, cache and time limits, from the environment and the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from backends.errors import LoadError
from backends.hub.errors import BadHubSettings
from backends.options import Options, parse_config

OFFICIAL_ENDPOINT = "https://huggingface.co"
MIRROR_ENDPOINT = "https://hf-mirror.com"
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})  # the values that huggingface_hub treats as true

_Seconds = Annotated[float, msgspec.Meta(gt=0, lt=1e9)]


class Endpoint(Options, frozen=True, kw_only=False):
    """One server with the hub's HTTP API.

    :param url: without a trailing slash; may have a path.
    :param send_token: whether it receives the user's token. The official hub always does.
    """

    url: str
    send_token: bool = False

    @classmethod
    def parse(cls, url: str, where: str, *, send_token: bool = False) -> Endpoint:
        """Check a URL.

        :raises BadHubSettings: the message names ``where``.
        """
        address = url.strip().rstrip("/")
        try:
            parts = urlsplit(address)
            sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            (parts.hostname or "").encode("idna")  # rejects labels that are empty or over 63 characters
        except ValueError:
            sound = False
        odd = any(character.isspace() or not character.isprintable() for character in address)
        if not sound or odd or parts.query or parts.fragment:
            raise BadHubSettings(f"{where}: {url!r} is not a URL such as {OFFICIAL_ENDPOINT}")
        if parts.username or parts.password:  # the URL appears in logs and error messages
            raise BadHubSettings(f"{where}: an endpoint's URL must not contain a user name or password; use HF_TOKEN")
        return cls(url=address, send_token=send_token or address == OFFICIAL_ENDPOINT)


DEFAULT_ENDPOINTS = (Endpoint(url=OFFICIAL_ENDPOINT, send_token=True), Endpoint(url=MIRROR_ENDPOINT))


class HubSettings(Options, frozen=True):
    """The settings of a ``Hub``.

    :param cache_dir: the cache that is shared with huggingface_hub.
    :param endpoints: in order of preference.
    :param offline: use the cache only.
    :param connect_timeout_s: for connecting, including TLS.
    :param metadata_timeout_s: how long a response that is not a file may be silent.
    :param stall_timeout_s: how long a download may be silent before the next endpoint is tried.
    :param min_bytes_per_s: minimum throughput over ``stall_timeout_s``; 0: none.
    :param attempts: rounds over all endpoints without progress.
    :param backoff_s: pause after the first round; doubles.
    :param lock_timeout_s: how long to wait for another process that holds a file's lock without progress.
    """

    cache_dir: Path
    endpoints: Annotated[tuple[Endpoint, ...], msgspec.Meta(min_length=1)] = DEFAULT_ENDPOINTS
    offline: bool = False
    connect_timeout_s: _Seconds = 5.0
    metadata_timeout_s: _Seconds = 15.0
    stall_timeout_s: _Seconds = 20.0
    min_bytes_per_s: Annotated[int, msgspec.Meta(ge=0)] = 1024
    attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    backoff_s: Annotated[float, msgspec.Meta(ge=0, lt=1e9)] = 0.5
    lock_timeout_s: _Seconds = 300.0

    @classmethod
    def from_environment(
        cls, config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> HubSettings:
        """Read the settings: huggingface_hub's environment variables take precedence over ``config``.

        :param config: the configuration's ``hub`` block: any field of this class; None means the default. An endpoint
            may be written as a URL alone.
        :param environ: by default ``os.environ``, read at this call.
        :raises BadHubSettings: the message names the variable or key.
        """
        environ = os.environ if environ is None else environ
        block = {key: value for key, value in (config or {}).items() if value is not None}
        if isinstance(listed := block.get("endpoints"), list | tuple):
            block["endpoints"] = [{"url": one} if isinstance(one, str) else one for one in listed]
        block.setdefault("cache_dir", _default_cache_dir(environ))
        try:
            settings = parse_config(cls, block, "hub")
        except LoadError as error:
            raise BadHubSettings(str(error).removeprefix("configuration key ")) from None
        changes: dict[str, Any] = {
            "endpoints": tuple(
                Endpoint.parse(one.url, f"hub.endpoints[{index}]", send_token=one.send_token)
                for index, one in enumerate(settings.endpoints)
            )
        }
        if urls := [url for url in environ.get("HF_ENDPOINT", "").split(",") if url.strip()]:
            changes["endpoints"] = tuple(Endpoint.parse(url, "HF_ENDPOINT", send_token=True) for url in urls)
        if word := environ.get("HF_HUB_OFFLINE") or environ.get("TRANSFORMERS_OFFLINE"):
            changes["offline"] = word.upper() in _TRUE
        folder = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or str(settings.cache_dir)
        expanded = os.path.expanduser(os.path.expandvars(folder))
        # A user without an account has no home folder.
        changes["cache_dir"] = Path(f"/nonexistent{expanded[1:]}" if expanded.startswith("~") else expanded)
        return msgspec.structs.replace(settings, **changes)


@contextmanager
def first_endpoint_only() -> Iterator[None]:
    """Shorten ``HF_ENDPOINT`` to its first URL: huggingface_hub reads it at its import, and fails if it is a list."""
    urls = os.environ.get("HF_ENDPOINT")
    if urls is not None:
        os.environ["HF_ENDPOINT"] = urls.split(",")[0].strip()
    try:
        yield
    finally:
        if urls is not None:
            os.environ["HF_ENDPOINT"] = urls


def _default_cache_dir(environ: Mapping[str, str]) -> str:
    home = environ.get("HF_HOME") or f"{environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return f"{home}/hub"
