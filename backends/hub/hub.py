"""The one place everything an engine loads comes through."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.hub.cache import RepoCache, cached_snapshots
from backends.hub.check import CheckReport, check_snapshots
from backends.hub.errors import AccessDenied, HubError, MalformedReference, MissingOffline, NotFound
from backends.hub.fetch import Fetched, HubFetch, PlannedFile, files_below
from backends.hub.reference import HubReference, Reference, parse_reference
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
    ) -> Fetched:
        """Bring everything a reference names onto this machine.

        :param progress: told what is being fetched, the bytes that are here, and the bytes there will be. It may
            raise to stop the fetch; what is here is kept and continued next time.
        :param allow: for a folder, only files whose path below it matches one of these ``fnmatch`` patterns.
        :param verify_cached: hash what is cached already, and fetch again what is damaged.
        :raises HubError: one of the kinds drawn in ``backends.hub.errors``.
        """
        parsed = _parsed(reference)
        if not isinstance(parsed, HubReference):
            place = parsed.locate()
            return Fetched(place, parsed, None, tuple(files_below(place, allow)))
        with closing(self._hub_fetch(parsed, progress, allow, verify_cached)) as fetch:
            return fetch.run()

    def plan(self, reference: str | Reference, *, allow: Sequence[str] = ()) -> list[PlannedFile]:
        """Say what a fetch would need; writes nothing.

        :raises HubError: as ``fetch`` does.
        """
        parsed = _parsed(reference)
        if not isinstance(parsed, HubReference):
            return [PlannedFile(str(path), path.stat().st_size, True) for path in files_below(parsed.locate(), allow)]
        with closing(self._hub_fetch(parsed, None, allow, False)) as fetch:
            return fetch.plan()

    def check(self, reference: str | Reference | None = None, progress: Progress | None = None) -> CheckReport:
        """Verify cached files by their hashes, whoever fetched them; asks no endpoint and changes nothing.

        :param reference: what to verify; by default every model in the cache.
        :raises MissingOffline: the cache holds nothing of that reference.
        """
        parsed = None if reference is None else _parsed(reference)
        if parsed is not None and not isinstance(parsed, HubReference):
            raise MalformedReference(f"{parsed}: only files from the hub come with a hash to verify them by")
        places = (
            [self._cached(parsed)] if parsed else [(*place, "") for place in cached_snapshots(self._settings.cache_dir)]
        )
        return check_snapshots(places, progress or _no_progress)

    def probe(self, endpoint: str | Endpoint) -> Probe:
        """Find out whether an endpoint answers.

        :raises BadHubSettings: it is no address, or a proxy variable cannot be used.
        """
        from backends.hub.client import EndpointClient, open_http

        target = Endpoint.parse(endpoint, "endpoint") if isinstance(endpoint, str) else endpoint
        with open_http(self._settings) as http:
            started_s = time.monotonic()
            try:
                remark = EndpointClient(http, target, self._settings).answers()
            except (NotFound, AccessDenied) as error:  # an answer all the same
                remark = str(error)
            except HubError as error:
                return Probe(target.url, False, None, str(error))
            return Probe(target.url, True, time.monotonic() - started_s, remark)

    def _hub_fetch(
        self, reference: HubReference, progress: Progress | None, allow: Sequence[str], verify_cached: bool
    ) -> HubFetch:
        return HubFetch(
            self._settings,
            self._pause,
            reference,
            allow=allow,
            verify_cached=verify_cached,
            progress=progress or _no_progress,
        )

    def _cached(self, reference: HubReference) -> tuple[RepoCache, str, str]:
        cache = RepoCache(self._settings.cache_dir, reference.repo)
        commit = cache.commit_of(reference.revision)
        if commit is None or not cache.snapshot(commit).joinpath(reference.path).exists():
            raise MissingOffline(f"{reference}: nothing of it is cached", missing=(str(reference),))
        return cache, commit, reference.path


def _parsed(reference: str | Reference) -> Reference:
    return parse_reference(reference) if isinstance(reference, str) else reference


def _no_progress(stage: str, done: int, total: int | None) -> None:
    """As ``backends.base.no_progress``, which would import numpy."""
