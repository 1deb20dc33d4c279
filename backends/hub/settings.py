"""Which endpoints, which cache, how patient: frozen values, read from the environment when asked and not before."""

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
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})  # huggingface_hub's idea of true
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
    """One address that speaks the hub's protocol.

    :param url: without a trailing slash; may have a path.
    :param send_token: whether the user's token is meant for it.
    """

    url: str
    send_token: bool = False

    @classmethod
    def parse(cls, value: object, where: str, *, send_token: bool = False) -> Endpoint:
        """Read ``"https://host"`` or ``{url: …, send_token: true}``.

        The official hub gets the token always; another endpoint only where someone said so.

        :raises BadHubSettings: naming ``where``.
        """
        if isinstance(value, Mapping):
            if unknown := sorted(set(value) - {"url", "send_token"}):
                raise BadHubSettings(f"{where}: unknown key {unknown[0]}; known keys: send_token, url")
            marked = value.get("send_token", False)
            if not isinstance(marked, bool):
                raise BadHubSettings(f"{where}.send_token: expected true or false, got {marked!r}")
            return cls.parse(value.get("url"), where, send_token=marked)
        if not isinstance(value, str):
            raise BadHubSettings(f"{where}: expected an address such as {OFFICIAL_ENDPOINT}, got {value!r}")
        url = value.strip().rstrip("/")
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            (parts.hostname or "").encode("idna")  # as connecting to it will: no empty label, none over 63 characters
        except ValueError:
            sound = False
        odd = any(character.isspace() or not character.isprintable() for character in url)
        if not sound or odd or parts.query or parts.fragment:
            raise BadHubSettings(f"{where}: {value!r} is not an address such as {OFFICIAL_ENDPOINT}")
        if parts.username or parts.password:  # it would end up in logs and error messages
            raise BadHubSettings(f"{where}: no name or password in an endpoint's address; use HF_TOKEN")
        return cls(url, send_token or url == OFFICIAL_ENDPOINT)


DEFAULT_ENDPOINTS = (Endpoint(OFFICIAL_ENDPOINT, send_token=True), Endpoint(MIRROR_ENDPOINT))


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Everything ``Hub`` needs to know.

    :param endpoints: asked in this order.
    :param cache_dir: laid out as huggingface_hub's, and shared with it.
    :param offline: use the cache only.
    :param token: sent to those endpoints that are marked for it.
    :param connect_timeout_s: for a connection to stand, TLS included.
    :param metadata_timeout_s: for one answer that is not a file, to its end; connecting comes on top.
    :param stall_timeout_s: how long a transfer may bring nothing before the next endpoint is asked.
    :param min_bytes_per_s: slower than this over ``stall_timeout_s`` counts as stalled; 0 switches it off.
    :param attempts: failed tries before an endpoint is given up. A connection that breaks is followed by the next try
        at once; an endpoint that is silent or cannot be reached is tried again after the others.
    :param backoff_s: pause after the first failed try, and after the first round of all endpoints; doubles.
    :param lock_timeout_s: how long to wait for another process that holds a file and makes no headway.
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
        """Settings as they are now: the variables huggingface_hub knows, over ``config``, over the defaults.

        :param config: the configuration's ``hub`` block: any parameter of this class but ``token``; None is default.
        :param environ: by default ``os.environ``, read at this call.
        :raises BadHubSettings: naming the variable or key at fault.
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


def _expand(path: str, environ: Mapping[str, str]) -> Path:
    if path == "~" or path.startswith("~/"):
        path = environ.get("HOME", str(Path.home())) + path[1:]
    # As os.path.expandvars, but of this environment.
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
        raise BadHubSettings(f"hub.endpoints: expected a list of addresses, got {configured!r}")
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
            _log.warning("the token in %s is not used: %s", where, error)
            return None
    token = token.strip()
    if not token:
        return None
    if not token.isascii() or any(character.isspace() or not character.isprintable() for character in token):
        raise BadHubSettings(f"{where}: what is there is not a token")  # and is not shown, in case it is one
    return token
