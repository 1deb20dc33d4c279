"""API keys with rate limits.

The settings hold SHA-256 hashes of the keys. A slow password hash would add nothing: keys made by `voxgate key new` are
256 random bits, which cannot be guessed at any speed.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from contextvars import ContextVar

from gateway.errors import RateLimited, Unauthorized
from gateway.settings import AccessSettings, ApiKey

current_key: ContextVar[str] = ContextVar("current_key", default="")
"""Name of the key of the request that is being served; empty without one. Each key gets its share of an engine."""

BUSY_RETRY_S = 1.0  # the end of a running request cannot be predicted

# Probes need no key because load balancers and SageMaker have none; the other paths show no secrets.
_PUBLIC_PATHS = frozenset({"/", "/health", "/v1/health", "/ping", "/docs", "/openapi.json", "/ui"})
_PUBLIC_PREFIXES = ("/health/", "/docs/", "/static-offline-docs/", "/ui/")


def key_hash(key: str) -> str:
    """The SHA-256 of a key in hex, as the settings hold it."""
    return hashlib.sha256(key.encode()).hexdigest()


class Permit:
    """A concurrency permit held by one in-flight request."""

    def __init__(self, on_release: Callable[[], None]):
        self._on_release: Callable[[], None] | None = on_release

    def release(self) -> None:
        """Return the permit; further calls do nothing."""
        on_release, self._on_release = self._on_release, None
        if on_release is not None:
            on_release()


class LimitedKey:
    """A configured API key with a token bucket and a concurrency limit.

    The bucket holds ``requests_per_minute`` tokens and starts full. A refused request takes no token.

    :param clock: monotonic time in seconds.
    """

    def __init__(self, name: str, settings: ApiKey, clock: Callable[[], float] = time.monotonic):
        self.name = name
        self.sha256 = settings.sha256
        self._per_minute = settings.requests_per_minute
        self._max_concurrent = settings.max_concurrent
        self._clock = clock
        self._tokens = float(settings.requests_per_minute or 0)
        self._refilled_at = clock()
        self._in_flight = 0

    def acquire(self) -> Permit:
        """Count a request as in flight until its permit is released.

        :raises RateLimited: if the key is at one of its limits.
        """
        if self._max_concurrent is not None and self._in_flight >= self._max_concurrent:
            raise RateLimited(
                f"key {self.name!r} has {self._in_flight} requests in progress: its limit is {self._max_concurrent}",
                retry_after_s=BUSY_RETRY_S,
            )
        self._take_token()
        self._in_flight += 1
        return Permit(self._release)

    def _release(self) -> None:
        self._in_flight -= 1

    def _take_token(self) -> None:
        if self._per_minute is None:
            return
        now = self._clock()
        per_second = self._per_minute / 60
        self._tokens = min(self._per_minute, self._tokens + (now - self._refilled_at) * per_second)
        self._refilled_at = now
        if self._tokens < 1:
            raise RateLimited(
                f"key {self.name!r} is over its limit of {self._per_minute} requests a minute",
                retry_after_s=(1 - self._tokens) / per_second,
            )
        self._tokens -= 1


class ApiKeys:
    """The configured API keys."""

    def __init__(self, settings: AccessSettings, clock: Callable[[], float] = time.monotonic):
        self._keys = [LimitedKey(name, key, clock) for name, key in settings.keys.items()]
        self._public_paths = frozenset(settings.open)

    @property
    def configured(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys)

    def is_public(self, path: str, method: str) -> bool:
        """Whether a request needs no key even if there are keys.

        :param path: the path that routes see, without a reverse proxy's prefix.
        :param method: paths that the settings make public are public for GET and HEAD only.
        """
        if path in _PUBLIC_PATHS or path.startswith(_PUBLIC_PREFIXES):
            return True
        return path in self._public_paths and method in ("GET", "HEAD")

    def authenticate(self, key: str | None) -> LimitedKey:
        """Find the configured key, in time that does not depend on its value.

        :raises Unauthorized: if the key is missing or unknown.
        """
        if not key:
            raise Unauthorized("missing API key: send `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        offered = key_hash(key)
        found = None
        for known in self._keys:
            if hmac.compare_digest(known.sha256, offered):
                found = known
        if found is None:
            raise Unauthorized("invalid API key", given=True)
        return found
