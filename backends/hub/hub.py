"""The one place everything an engine loads comes through."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.hub.cache import RepoCache, cached_snapshots
from backends.hub.check import CheckReport, Place, check_snapshots
from backends.hub.errors import AccessDenied, HubError, MalformedReference, MissingOffline, NotFound
from backends.hub.fetch import Fetched, HubFetch, PlannedFile
from backends.hub.reference import HubReference, Reference, parse_reference
from backends.hub.selection import files_below
from backends.hub.settings import Endpoint, HubSettings

if TYPE_CHECKING:
    from backends.base import Progress


@dataclass(frozen=True, slots=True)
class Probe:
    """How one endpoint does.

    :param latency_s: until its answer stood; None when there was none.
    :param reason: why it is unreachable, or a remark about a reachable one.
    """

    url: str
    reachable: bool
    latency_s: float | None
    reason: str


class Hub:
    """Finds and fetches what references name. Holds nothing open between calls; safe to share between threads.

    ``Hub(HubSettings.from_environment()).fetch("hf://owner/repo/model.safetensors@main").path``

    :param settings: a new ``Hub`` with new settings sees a changed environment; this one does not.
    :param pause: sleeps between tries.
    """

    def __init__(self, settings: HubSettings, pause: Callable[[float], None] = time.sleep):
        self._settings = settings
        self._pause = pause

    def fetch(
        self,
        reference: str | Reference,
        progress: Progress | None = None,
        *,
        allow: Sequence[str] = (),
        verify_cached: bool = False,
        update: bool = False,
    ) -> Fetched:
        """Bring everything a reference names onto this machine.

        A branch or tag stays at the commit it was first resolved to, for as long as the cache has files of that.

        :param progress: told what is being done to which file, the bytes that are here, and the bytes there will be,
            both of all files together. It may raise to stop the fetch; what is here is kept and continued next time.
        :param allow: for a folder, only files whose path below it matches one of these ``fnmatch`` patterns.
        :param verify_cached: hash what is cached already, and fetch again what is damaged. Otherwise a cached file of
            the right size is used as it is.
        :param update: ask the endpoints what a branch or tag is now, and fetch that.
        :raises HubError: one of the kinds drawn in ``backends.hub.errors``.
        """
        parsed = _parsed(reference)
        if not isinstance(parsed, HubReference):
            place = parsed.locate()
            return Fetched(place, parsed, None, tuple(files_below(place, allow)))
        with closing(self._hub_fetch(parsed, progress, allow, verify_cached, update)) as fetch:
            return fetch.run()

    def plan(self, reference: str | Reference, *, allow: Sequence[str] = (), update: bool = False) -> list[PlannedFile]:
        """Say what a fetch would need; writes nothing.

        :param update: as for ``fetch``.

        :raises HubError: as ``fetch`` does.
        """
        parsed = _parsed(reference)
        if not isinstance(parsed, HubReference):
            return [PlannedFile(str(path), path.stat().st_size, True) for path in files_below(parsed.locate(), allow)]
        with closing(self._hub_fetch(parsed, None, allow, False, update)) as fetch:
            return fetch.plan()

    def check(
        self,
        reference: str | Reference | None = None,
        progress: Progress | None = None,
        allow: Sequence[str] = (),
    ) -> CheckReport:
        """Verify cached files by their hashes, whoever fetched them; asks no endpoint and changes nothing.

        :param reference: what to verify, and what has to be here, as far as a cached listing tells; by default every
            model in the cache, of which only that which is here is verified.
        :param progress: told what is being hashed, the bytes that are hashed, and the bytes there are.
        :param allow: for a folder, only files whose path below it matches one of these ``fnmatch`` patterns.
        :raises MissingOffline: the cache holds nothing of that reference.
        """
        parsed = None if reference is None else _parsed(reference)
        if parsed is not None and not isinstance(parsed, HubReference):
            raise MalformedReference(f"{parsed}: only files from the hub come with a hash to verify them by")
        if parsed is not None:
            places = [self._cached(parsed, allow)]
        else:
            found = cached_snapshots(self._settings.cache_dir)
            places = [Place(cache, commit, allow=allow) for cache, commit in found]
        return check_snapshots(places, progress or _no_progress)

    def probe(self, endpoint: str | Endpoint) -> Probe:
        """Find out whether an endpoint answers.

        :raises BadHubSettings: it is no address, or a proxy variable cannot be used.
        """
        from backends.hub.client import EndpointClient
        from backends.hub.connection import Connections

        target = Endpoint.parse(endpoint, "endpoint") if isinstance(endpoint, str) else endpoint
        with Connections(self._settings) as http:
            started_s = time.monotonic()
            try:
                remark = EndpointClient(http, target, self._settings).answers()
            except (NotFound, AccessDenied) as error:  # an answer all the same
                remark = str(error)
            except HubError as error:
                return Probe(target.url, False, None, str(error))
            return Probe(target.url, True, time.monotonic() - started_s, remark)

    def _hub_fetch(
        self,
        reference: HubReference,
        progress: Progress | None,
        allow: Sequence[str],
        verify_cached: bool,
        update: bool,
    ) -> HubFetch:
        return HubFetch(
            self._settings,
            self._pause,
            reference,
            allow=allow,
            verify_cached=verify_cached,
            update=update,
            progress=progress or _no_progress,
        )

    def _cached(self, reference: HubReference, allow: Sequence[str]) -> Place:
        cache = RepoCache(self._settings.cache_dir, reference.repo)
        commit = cache.commit_of(reference.revision)
        # A link that leads nowhere is something too: a problem, not an empty cache.
        if commit is None or not os.path.lexists(cache.snapshot(commit) / reference.path):
            raise MissingOffline(f"{reference}: nothing of it is cached", missing=(str(reference),))
        return Place(cache, commit, reference.path, allow, whole=True)


def _parsed(reference: str | Reference) -> Reference:
    return parse_reference(reference) if isinstance(reference, str) else reference


def _no_progress(stage: str, done: int, total: int | None) -> None:
    """As ``backends.base.no_progress``, which would import numpy."""
