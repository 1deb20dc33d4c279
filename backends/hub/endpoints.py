"""Failover between endpoints: order, retries and exclusion."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from backends.hub.errors import (
    AccessDenied,
    EndpointFailure,
    EndpointsFailed,
    GatedRepository,
    HubError,
    NotFound,
    Refused,
    WrongBytes,
)
from backends.hub.remote import Remote
from backends.hub.settings import HubSettings

PROGRESS_BYTES = 1 << 20
"""A round that transferred this much made progress and does not count as failed."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Endpoints:
    """The endpoints of one fetch, tried in order until one delivers.

    An endpoint that failed moves to the end for the rest of the fetch, so a dead official hub costs one connection
    timeout per fetch, not one per file. An endpoint that sent wrong bytes is not asked again.
    """

    def __init__(self, settings: HubSettings, pause: Callable[[float], None]):
        self._settings = settings
        self._pause = pause
        self._remotes = [Remote(endpoint, settings) for endpoint in settings.endpoints]
        self._distrusted: dict[str, HubError] = {}

    def ask(self, what: str, operation: Callable[[Remote], T]) -> T:
        """Run an operation on one endpoint after the other, in rounds with pauses, until one succeeds.

        :param what: the requested item, for messages.
        :raises NotFound: if every endpoint says so.
        :raises AccessDenied: if an endpoint refuses access and no other endpoint delivered.
        :raises EndpointsFailed: otherwise.
        """
        failures = dict(self._distrusted)
        futile_rounds = 0
        for rounds in count():
            has_progress = False
            waiting = [remote for remote in self._remotes if _may_recover(failures.get(remote.url))]
            for remote in waiting:
                try:
                    return operation(remote)
                except (NotFound, AccessDenied, EndpointFailure) as error:
                    level = logging.INFO if remote.url in failures else logging.WARNING  # one warning per endpoint
                    _log.log(level, "%s: skipping %s: %s", what, remote.url, error)
                    failures[remote.url] = error
                    if isinstance(error, EndpointFailure):
                        has_progress |= error.received_bytes >= PROGRESS_BYTES
                        self._remotes.sort(key=lambda other: other is remote)
                    if isinstance(error, WrongBytes):
                        self._distrusted[remote.url] = error
            futile_rounds = 0 if has_progress else futile_rounds + 1
            # Retrying the others will not get a license accepted.
            is_refused = any(isinstance(error, AccessDenied) for error in failures.values())
            if is_refused or futile_rounds == self._settings.attempts or not any(map(_may_recover, failures.values())):
                raise _combined(what, failures)
            _log.info("%s: no endpoint delivered; retrying", what)
            self._pause(self._settings.backoff_s * 2 ** min(rounds, 10))
        raise AssertionError  # count() has no end


def _may_recover(failure: HubError | None) -> bool:
    return failure is None or (isinstance(failure, EndpointFailure) and not isinstance(failure, Refused | WrongBytes))


def _combined(what: str, failures: dict[str, HubError]) -> HubError:
    """The most specific error that describes all failures."""
    errors = list(failures.values())
    listing = "".join(f"\n  {url}: {error}" for url, error in failures.items())
    for kind in (GatedRepository, AccessDenied):  # a license to accept explains more than "403"
        for error in errors:
            if isinstance(error, kind):
                return kind(f"{error}\ntried:{listing}")
    if all(isinstance(error, NotFound) for error in errors):
        return NotFound(f"{max(errors, key=lambda error: len(str(error)))}\ntried:{listing}")
    return EndpointsFailed(f"no endpoint delivered {what}:{listing}", list(failures.items()))
