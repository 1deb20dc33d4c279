"""Failover between endpoints: order, retries and exclusion."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

from backends.hub.client import EndpointClient
from backends.hub.connection import Connections
from backends.hub.errors import (
    AccessDenied,
    Broken,
    EndpointFailure,
    EndpointsFailed,
    GatedRepository,
    HubError,
    IntegrityError,
    NotFound,
    Stalled,
    Unreachable,
)
from backends.hub.settings import HubSettings
from backends.hub.transfer import PROGRESS_BYTES

T = TypeVar("T")

_TRANSIENT = (Broken, Stalled, Unreachable)

_log = logging.getLogger(__name__)


class EndpointPool:
    """The endpoints of one fetch, and their connections.

    An endpoint that failed moves to the end of the list for the rest of the fetch, so a dead official hub costs one
    connection timeout per fetch, not one per file. An endpoint that sent wrong data is not used again.
    """

    def __init__(self, settings: HubSettings, pause: Callable[[float], None] = time.sleep):
        self._settings = settings
        self._pause = pause
        self._http = Connections(settings)
        self._clients = [EndpointClient(self._http, endpoint, settings) for endpoint in settings.endpoints]
        self._untrusted_endpoints: dict[str, HubError] = {}

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def request(self, what: str, operation: Callable[[EndpointClient], T]) -> T:
        """Run an operation on one endpoint after the other until one succeeds.

        After each round, endpoints with transient failures are tried again after a pause, until each has failed
        ``attempts`` times.

        :param what: the requested item, for messages.
        :raises NotFound: if every endpoint says so.
        :raises AccessDenied: if an endpoint refuses access and no other endpoint delivered.
        :raises EndpointsFailed: otherwise.
        """
        failures: dict[str, HubError] = {}
        attempts: Counter[str] = Counter()
        clients = list(self._clients)
        for rounds in count():
            for client in clients:
                if untrusted := self._untrusted_endpoints.get(client.url):
                    failures[client.url] = untrusted
                    continue
                try:
                    return self._retry(client, operation, attempts)
                except (NotFound, AccessDenied, EndpointFailure) as error:
                    level = logging.INFO if client.url in failures else logging.WARNING  # one warning per endpoint
                    _log.log(level, "%s: skipping %s: %s", what, client.url, error)
                    failures[client.url] = error
                    if isinstance(error, EndpointFailure):
                        self._clients.remove(client)
                        self._clients.append(client)
                    if isinstance(error, IntegrityError):
                        self._untrusted_endpoints[client.url] = error
            clients = [
                client
                for client in clients
                if isinstance(failures[client.url], _TRANSIENT) and attempts[client.url] < self._settings.attempts
            ]
            # Retrying the others will not get a license accepted.
            if not clients or any(isinstance(error, AccessDenied) for error in failures.values()):
                break
            _log.info("%s: no endpoint delivered; retrying %d of them", what, len(clients))
            self._pause(self._settings.backoff_s * 2**rounds)
        raise _combined_error(what, list(failures.items()))

    def _retry(self, client: EndpointClient, operation: Callable[[EndpointClient], T], attempts: Counter[str]) -> T:
        """Run an operation on one endpoint, with retries while the connection breaks."""
        while True:
            try:
                return operation(client)
            except Broken as error:
                failed = attempts[client.url] = 1 if error.moved_bytes >= PROGRESS_BYTES else attempts[client.url] + 1
                if failed >= self._settings.attempts:
                    raise
                _log.info("%s: %s; retrying", client.url, error)
                self._pause(max(self._settings.backoff_s * 2 ** (failed - 1), error.retry_after_s))
            except EndpointFailure:
                attempts[client.url] += 1
                raise


def _combined_error(what: str, failures: Sequence[tuple[str, HubError]]) -> HubError:
    """The most specific error that describes all failures."""
    errors = [error for _, error in failures]
    listing = "".join(f"\n  {url}: {error}" for url, error in failures)
    # The most specific refusal first: a license to accept explains more than "403".
    for kind in (GatedRepository, AccessDenied):
        for error in errors:
            if isinstance(error, kind):
                return type(error)(f"{error}\ntried:{listing}")
    if all(isinstance(error, NotFound) for error in errors):
        most_specific = max(errors, key=lambda error: type(error) is not NotFound)
        return type(most_specific)(f"{most_specific}\ntried:{listing}")
    return EndpointsFailed(f"no endpoint delivered {what}:{listing}", failures)
