"""The entry point of the package: fetch, plan, verify and probe."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.hub.cache import RepoCache, cached_snapshots
from backends.hub.check import CheckReport, CheckTarget, check_snapshots
from backends.hub.errors import AccessDenied, HubError, MalformedReference, MissingOffline, NotFound
from backends.hub.fetch import Fetched, HubFetch, PlannedFile
from backends.hub.reference import HubReference, Reference, parse_reference
from backends.hub.selection import files_below
from backends.hub.settings import Endpoint, HubSettings

if TYPE_CHECKING:
    from backends.base import Progress


@dataclass(frozen=True, slots=True)
class Probe:
    """The state of one endpoint.

    :param latency_s: response time; None without a response.
    :param reason: why it is unreachable, or a remark about its response.
    """

    url: str
    reachable: bool
    latency_s: float | None
    reason: str


class Hub:
    """Fetches the files of references. Holds no connection between calls; safe to share between threads.

    ``Hub(HubSettings.from_environment()).fetch("hf://owner/repo/model.safetensors@main").path``

    :param settings: fixed; create a new ``Hub`` to apply a changed environment.
    :param pause: sleeps between attempts.
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
        """Download a reference's files, unless they are cached.

        A branch or tag stays at the commit it was first resolved to, as long as the cache has files of that commit.

        :param progress: called with the stage, the bytes on disk and the total bytes, both over all files. It may raise
            to stop the fetch; partial downloads are kept and resumed by the next fetch.
        :param allow: for a folder, ``fnmatch`` patterns of the files to fetch, relative to the folder.
        :param verify_cached: hash cached files, and download damaged ones again. Otherwise a cached file of the right
            size is used as it is.
        :param update: resolve a branch or tag again, and fetch its current commit.
        :raises HubError: see ``backends.hub.errors``.
        """
        parsed = _parsed(reference)
        if not isinstance(parsed, HubReference):
            path = parsed.locate()
            return Fetched(path, parsed, None, tuple(files_below(path, allow)))
        with closing(self._hub_fetch(parsed, progress, allow, verify_cached, update)) as fetch:
            return fetch.run()

    def plan(self, reference: str | Reference, *, allow: Sequence[str] = (), update: bool = False) -> list[PlannedFile]:
        """List the files that a fetch would need, without writing anything.

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
        """Verify cached files by their hashes, without network access. Changes nothing.

        :param reference: the files to verify; those in the cached listing must all be present. None: every cached file
            of every model; missing files are not a problem then.
        :param progress: called with the stage, the hashed bytes and the total bytes.
        :param allow: for a folder, ``fnmatch`` patterns of the files to verify, relative to the folder.
        :raises MissingOffline: if no file of the reference is cached.
        """
        parsed = None if reference is None else _parsed(reference)
        if parsed is not None and not isinstance(parsed, HubReference):
            raise MalformedReference(f"{parsed}: only files from the hub have a hash to verify")
        if parsed is not None:
            targets = [self._cached(parsed, allow)]
        else:
            found = cached_snapshots(self._settings.cache_dir)
            targets = [CheckTarget(cache, commit, allow=allow) for cache, commit in found]
        return check_snapshots(targets, progress or _no_progress)

    def probe(self, endpoint: str | Endpoint) -> Probe:
        """Check whether an endpoint responds.

        :raises BadHubSettings: if it is not a URL, or a proxy variable is invalid.
        """
        from backends.hub.client import EndpointClient
        from backends.hub.connection import Connections

        target = Endpoint.parse(endpoint, "endpoint") if isinstance(endpoint, str) else endpoint
        with Connections(self._settings) as http:
            started_s = time.monotonic()
            try:
                remark = EndpointClient(http, target, self._settings).probe()
            except (NotFound, AccessDenied) as error:  # a response, so the endpoint is reachable
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

    def _cached(self, reference: HubReference, allow: Sequence[str]) -> CheckTarget:
        cache = RepoCache(self._settings.cache_dir, reference.repo)
        commit = cache.commit_of(reference.revision)
        # A dangling link counts as cached: it is a problem to report, not an empty cache.
        if commit is None or not os.path.lexists(cache.snapshot(commit) / reference.path):
            raise MissingOffline(f"{reference}: not cached", missing=(str(reference),))
        return CheckTarget(cache, commit, reference.path, allow, require_all=True)


def _parsed(reference: str | Reference) -> Reference:
    return parse_reference(reference) if isinstance(reference, str) else reference


def _no_progress(stage: str, done: int, total: int | None) -> None:
    """``backends.base.no_progress`` without importing numpy."""
