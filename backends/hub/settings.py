"""Hub settings: endpoints, cache, token and timeouts, from the environment and the configuration."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backends.hub.errors import BadHubSettings

OFFICIAL_ENDPOINT = "https://huggingface.co"
MIRROR_ENDPOINT = "https://hf-mirror.com"
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})  # the values that huggingface_hub treats as true
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_WHOLE_NUMBERS = frozenset({"min_bytes_per_s", "attempts"})
_SECONDS = frozenset(
    {
        "connect_timeout_s",
        "metadata_timeout_s",
        "stall_timeout_s",
        "backoff_s",
        "lock_timeout_s",
    }
)
_MAY_BE_ZERO = frozenset({"min_bytes_per_s", "backoff_s"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server with the hub's HTTP API.

    :param url: without a trailing slash; may have a path.
    :param send_token: whether it receives the user's token.
    """

    url: str
    send_token: bool = False

    @classmethod
    def parse(cls, value: object, where: str, *, send_token: bool = False) -> Endpoint:
        """Read ``"https://host"`` or ``{url: …, send_token: true}``.

        The official hub always receives the token, other endpoints only if they are marked.

        :raises BadHubSettings: the message names ``where``.
        """
        if isinstance(value, Mapping):
            if unknown := sorted(set(value) - {"url", "send_token"}):
                raise BadHubSettings(f"{where}: unknown key {unknown[0]}; known keys: send_token, url")
            marked = value.get("send_token", False)
            if not isinstance(marked, bool):
                raise BadHubSettings(f"{where}.send_token: expected true or false, got {marked!r}")
            return cls.parse(value.get("url"), where, send_token=marked)
        if not isinstance(value, str):
            raise BadHubSettings(f"{where}: expected a URL such as {OFFICIAL_ENDPOINT}, got {value!r}")
        url = value.strip().rstrip("/")
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            (parts.hostname or "").encode("idna")  # rejects labels that are empty or over 63 characters
        except ValueError:
            sound = False
        odd = any(character.isspace() or not character.isprintable() for character in url)
        if not sound or odd or parts.query or parts.fragment:
            raise BadHubSettings(f"{where}: {value!r} is not a URL such as {OFFICIAL_ENDPOINT}")
        if parts.username or parts.password:  # the URL appears in logs and error messages
            raise BadHubSettings(f"{where}: an endpoint's URL must not contain a user name or password; use HF_TOKEN")
        return cls(url, send_token or url == OFFICIAL_ENDPOINT)


DEFAULT_ENDPOINTS = (Endpoint(OFFICIAL_ENDPOINT, send_token=True), Endpoint(MIRROR_ENDPOINT))


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The settings of a ``Hub``.

    :param endpoints: in order of preference.
    :param cache_dir: the cache that is shared with huggingface_hub.
    :param offline: use the cache only.
    :param token: sent to endpoints with ``send_token``.
    :param connect_timeout_s: for connecting, including TLS.
    :param metadata_timeout_s: for one complete response that is not a file, without connecting.
    :param stall_timeout_s: how long a download may be silent before the next endpoint is tried.
    :param min_bytes_per_s: minimum throughput over ``stall_timeout_s``; 0: none.
    :param attempts: failed attempts per endpoint. After a broken connection the next attempt follows at once; a silent
        or unreachable endpoint is tried again after the others.
    :param backoff_s: pause after the first failed attempt, and after the first round over all endpoints; doubles.
    :param lock_timeout_s: how long to wait for another process that holds a file's lock without progress.
    """

    cache_dir: Path
    endpoints: tuple[Endpoint, ...] = DEFAULT_ENDPOINTS
    offline: bool = False
    token: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 5.0
    metadata_timeout_s: float = 15.0
    stall_timeout_s: float = 20.0
    min_bytes_per_s: int = 1024
    attempts: int = 3
    backoff_s: float = 0.5
    lock_timeout_s: float = 300.0

    @classmethod
    def from_environment(
        cls, config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> HubSettings:
        """Read the settings: huggingface_hub's environment variables take precedence over ``config``.

        :param config: the configuration's ``hub`` block: any parameter of this class except ``token``; a value of None
            means the default.
        :param environ: by default ``os.environ``, read at this call.
        :raises BadHubSettings: the message names the variable or key.
        """
        config = {key: value for key, value in (config or {}).items() if value is not None}
        environ = os.environ if environ is None else environ
        known = set(cls.__dataclass_fields__) - {"token"}
        if unknown := sorted(set(config) - known):
            raise BadHubSettings(f"hub.{unknown[0]}: unknown key; known keys: {', '.join(sorted(known))}")
        offline_word = environ.get("HF_HUB_OFFLINE") or environ.get("TRANSFORMERS_OFFLINE")
        offline = offline_word.upper() in _TRUE if offline_word else config.get("offline", False)
        if not isinstance(offline, bool):
            raise BadHubSettings(f"hub.offline: expected true or false, got {offline!r}")
        numbers = {key: _number(key, config[key]) for key in sorted((_WHOLE_NUMBERS | _SECONDS) & config.keys())}
        return cls(
            cache_dir=_cache_dir(environ, config.get("cache_dir")),
            endpoints=_endpoints(environ, config.get("endpoints")),
            offline=offline,
            token=_token(environ),
            **numbers,
        )


def _number(key: str, value: object) -> Any:
    whole, may_be_zero = key in _WHOLE_NUMBERS, key in _MAY_BE_ZERO
    if isinstance(value, int if whole else int | float) and not isinstance(value, bool):
        sound = math.isfinite(value) and (value >= 0 if may_be_zero else value > 0)
    else:
        sound = False
    if not sound:
        kind = "a whole number" if whole else "seconds"
        raise BadHubSettings(f"hub.{key}: expected {kind}, {'not below' if may_be_zero else 'above'} 0, got {value!r}")
    return value


def _home_folder(environ: Mapping[str, str]) -> str:
    if home := environ.get("HOME"):
        return home
    try:
        return str(Path.home())
    except RuntimeError:  # a user ID without an account
        return "/nonexistent"


def _expand(path: str, environ: Mapping[str, str]) -> Path:
    if path == "~" or path.startswith("~/"):
        path = _home_folder(environ) + path[1:]
    # os.path.expandvars for this environment.
    path = _VARIABLE.sub(lambda match: environ.get(match[1] or match[2], match[0]), path)
    return Path(path).expanduser()


def _home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("HF_HOME"):
        return _expand(home, environ)
    return _expand(environ.get("XDG_CACHE_HOME") or "~/.cache", environ) / "huggingface"


def _cache_dir(environ: Mapping[str, str], configured: object) -> Path:
    if folder := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return _expand(folder, environ)
    if configured is None:
        return _home(environ) / "hub"
    if isinstance(configured, str | Path) and str(configured).strip():
        return _expand(str(configured), environ)
    raise BadHubSettings(f"hub.cache_dir: expected a folder, got {configured!r}")


def _endpoints(environ: Mapping[str, str], configured: object) -> tuple[Endpoint, ...]:
    if wanted := [part for part in environ.get("HF_ENDPOINT", "").split(",") if part.strip()]:
        return tuple(Endpoint.parse(url, "HF_ENDPOINT", send_token=True) for url in wanted)
    if configured is None:
        return DEFAULT_ENDPOINTS
    if not isinstance(configured, list | tuple) or not configured:
        raise BadHubSettings(f"hub.endpoints: expected a list of URLs, got {configured!r}")
    return tuple(
        value if isinstance(value, Endpoint) else Endpoint.parse(value, f"hub.endpoints[{index}]")
        for index, value in enumerate(configured)
    )


def _token(environ: Mapping[str, str]) -> str | None:
    if environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in _TRUE:
        return None
    where = "HF_TOKEN"
    token = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or ""
    if not token.strip():
        named = environ.get("HF_TOKEN_PATH")
        path = _expand(named, environ) if named else _home(environ) / "token"
        where = str(path)
        try:
            token = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:  # most repositories need no token: not fatal
            _log.warning("the token in %s is ignored: %s", where, error)
            return None
    token = token.strip()
    if not token:
        return None
    if not token.isascii() or any(character.isspace() or not character.isprintable() for character in token):
        raise BadHubSettings(f"{where}: not a valid token")  # not shown, in case it is one
    return token
