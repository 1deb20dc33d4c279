"""The endpoints in order: who is asked first, who again, who no more."""

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
    Lying,
    NotFound,
    Stalled,
    Unreachable,
)
from backends.hub.settings import HubSettings
from backends.hub.transfer import HEADWAY_BYTES

T = TypeVar("T")

_PASSING = (Broken, Stalled, Unreachable)

_log = logging.getLogger(__name__)


class Route:
    """The endpoints of one fetch, and their connections until it is closed.

    An endpoint that failed is asked after those that did not, for as long as the fetch lasts: a dead official hub
    costs its connection timeout once, not once per file. One that lied is not asked again.
    """

    def __init__(self, settings: HubSettings, pause: Callable[[float], None] = time.sleep):
        self._settings = settings
        self._pause = pause
        self._http = Connections(settings)
        self._clients = [EndpointClient(self._http, endpoint, settings) for endpoint in settings.endpoints]
        self._liars: dict[str, HubError] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, what: str, question: Callable[[EndpointClient], T]) -> T:
        """Put a question to one endpoint after the other until one answers.

        Those that may only be out of order for the moment are asked again when the round is over, after a pause, until
        each has failed ``attempts`` times.

        :param what: what is asked for, for messages.
        :raises NotFound: all of them say there is no such thing.
        :raises AccessDenied: one says it is there but not for us, and no other gave it.
        :raises EndpointsFailed: otherwise.
        """
        failures: dict[str, HubError] = {}
        tries: Counter[str] = Counter()
        clients = list(self._clients)
        for rounds in count():
            for client in clients:
                if liar := self._liars.get(client.url):
                    failures[client.url] = liar
                    continue
                try:
                    return self._persist(client, question, tries)
                except (NotFound, AccessDenied, EndpointFailure) as error:
                    level = logging.INFO if client.url in failures else logging.WARNING  # a warning each is enough
                    _log.log(level, "%s: skipping %s: %s", what, client.url, error)
                    failures[client.url] = error
                    if isinstance(error, EndpointFailure):
                        self._clients.remove(client)
                        self._clients.append(client)
                    if isinstance(error, Lying):
                        self._liars[client.url] = error
            clients = [
                client
                for client in clients
                if isinstance(failures[client.url], _PASSING) and tries[client.url] < self._settings.attempts
            ]
            # That a licence is to be accepted will not change while waiting for the others.
            if not clients or any(isinstance(error, AccessDenied) for error in failures.values()):
                break
            _log.info("%s: no endpoint delivered; asking %d of them again", what, len(clients))
            self._pause(self._settings.backoff_s * 2**rounds)
        raise _verdict(what, list(failures.items()))

    def _persist(self, client: EndpointClient, question: Callable[[EndpointClient], T], tries: Counter[str]) -> T:
        """Ask one endpoint, and again for as long as it answers and the connection breaks."""
        while True:
            try:
                return question(client)
            except Broken as error:
                failed = tries[client.url] = 1 if error.moved_bytes >= HEADWAY_BYTES else tries[client.url] + 1
                if failed >= self._settings.attempts:
                    raise
                _log.info("%s: %s; asking again", client.url, error)
                self._pause(max(self._settings.backoff_s * 2 ** (failed - 1), error.retry_after_s))
            except EndpointFailure:
                tries[client.url] += 1
                raise


def _verdict(what: str, failures: Sequence[tuple[str, HubError]]) -> HubError:
    """What it means that nobody delivered."""
    errors = [error for _, error in failures]
    told = "".join(f"\n  {url}: {error}" for url, error in failures)
    # The most telling refusal first: a licence to accept explains more than "403".
    for kind in (GatedRepository, AccessDenied):
        for error in errors:
            if isinstance(error, kind):
                return type(error)(f"{error}\nasked:{told}")
    if all(isinstance(error, NotFound) for error in errors):
        most_precise = max(errors, key=lambda error: type(error) is not NotFound)
        return type(most_precise)(f"{most_precise}\nasked:{told}")
    return EndpointsFailed(f"no endpoint delivered {what}:{told}", failures)
