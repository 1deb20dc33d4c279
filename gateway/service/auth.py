"""Who may send requests, and how many: API keys, each with a rate.

The settings hold only SHA-256 hashes of keys. A slow hash would add nothing: `voxgate key new` makes keys of 256 random
bits, which nobody can guess, however fast each guess is; slow hashes are for passwords, which people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

from gateway.errors import RateLimited, Unauthorized
from gateway.settings import AccessSettings, ApiKey

BUSY_RETRY_S = 1.0  # nobody knows when one of a key's requests ends

# Probes must not depend on a secret: load balancers and SageMaker have none. The documentation gives nothing away.
_ALWAYS_OPEN = frozenset({"/health", "/v1/health", "/ping", "/docs", "/openapi.json"})
_ALWAYS_OPEN_BELOW = ("/health/", "/docs/", "/static-offline-docs/")


def key_hash(key: str) -> str:
    """What the settings hold of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


class Place:
    """One request with a key, while it is under way."""

    def __init__(self, leave: Callable[[], None]):
        self._leave: Callable[[], None] | None = leave

    def release(self) -> None:
        """Let the next one in. Once is enough; more often does no harm."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class KeyHolder:
    """One configured key and what is left of its allowance.

    The rate is a bucket that holds ``requests_per_minute`` requests, is full at the start, and fills steadily. A
    refused request takes nothing out of it.

    :param clock: seconds that only grow.
    """

    def __init__(self, name: str, settings: ApiKey, clock: Callable[[], float] = time.monotonic):
        self.name = name
        self.sha256 = settings.sha256
        self._per_minute = settings.requests_per_minute
        self._max_concurrent = settings.max_concurrent
        self._clock = clock
        self._left = float(settings.requests_per_minute or 0)
        self._counted_at = clock()
        self._under_way = 0

    def place(self) -> Place:
        """Count one request until its place is released.

        :raises RateLimited: it would be one too many.
        """
        if self._max_concurrent is not None and self._under_way >= self._max_concurrent:
            raise RateLimited(
                f"{self._under_way} requests with the key {self.name!r} are under way, which is its limit",
                retry_after_s=BUSY_RETRY_S,
            )
        self._take()
        self._under_way += 1
        return Place(self._leave)

    def _leave(self) -> None:
        self._under_way -= 1

    def _take(self) -> None:
        if self._per_minute is None:
            return
        now = self._clock()
        per_second = self._per_minute / 60
        self._left = min(self._per_minute, self._left + (now - self._counted_at) * per_second)
        self._counted_at = now
        if self._left < 1:
            raise RateLimited(
                f"more than {self._per_minute} requests a minute with the key {self.name!r}",
                retry_after_s=(1 - self._left) / per_second,
            )
        self._left -= 1


class Access:
    """The configured keys. Without any, every request is let in."""

    def __init__(self, settings: AccessSettings, clock: Callable[[], float] = time.monotonic):
        self._holders = [KeyHolder(name, key, clock) for name, key in settings.keys.items()]
        self._readable = frozenset(settings.open)

    def is_open(self, path: str, method: str) -> bool:
        """Whether such requests need no key, and cost none. What the settings open can be read, not changed.

        :param path: as routes have it, without what a proxy puts before it.
        """
        if not self._holders or path in _ALWAYS_OPEN or path.startswith(_ALWAYS_OPEN_BELOW):
            return True
        return path in self._readable and method == "GET"

    def holder(self, key: str | None) -> KeyHolder:
        """Whose key that is. Takes as long for a wrong key as for a right one, whichever it is.

        :raises Unauthorized: there is no key, or it is none of the configured ones.
        """
        if not key:
            raise Unauthorized("an API key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        offered = key_hash(key)
        found = None
        for holder in self._holders:
            if hmac.compare_digest(holder.sha256, offered):
                found = holder
        if found is None:
            raise Unauthorized("the API key is not a valid one", given=True)
        return found
