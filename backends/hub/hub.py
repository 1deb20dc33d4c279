"""Fetch, plan, verify and probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.hub.check import CheckReport, check
from backends.hub.errors import AccessDenied, HubError, NotFound
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
    """Fetches the files of references. Safe to share between threads.

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
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        if not isinstance(parsed, HubReference):
            path = parsed.locate()
            return Fetched(path, parsed, None, tuple(files_below(path, allow)))
        return HubFetch(self._settings, self._pause, parsed, allow, progress or _silent, verify_cached).run(update)

    def plan(self, reference: str | Reference, *, allow: Sequence[str] = (), update: bool = False) -> list[PlannedFile]:
        """List the files that a fetch would need, without writing anything.

        :param update: as for ``fetch``.
        :raises HubError: as ``fetch`` does.
        """
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        if not isinstance(parsed, HubReference):
            return [PlannedFile(str(path), path.stat().st_size, True) for path in files_below(parsed.locate(), allow)]
        return HubFetch(self._settings, self._pause, parsed, allow, _silent).plan(update)

    def check(
        self,
        reference: str | Reference | None = None,
        progress: Progress | None = None,
        allow: Sequence[str] = (),
    ) -> CheckReport:
        """See :func:`backends.hub.check.check`."""
        return check(self._settings.cache_dir, reference, progress or _silent, allow)

    def probe(self, endpoint: Endpoint) -> Probe:
        """Check whether an endpoint responds."""
        from backends.hub.remote import Remote

        started_s = time.monotonic()
        try:
            remark = Remote(endpoint, self._settings).probe()
        except (NotFound, AccessDenied) as error:  # a response, so the endpoint is reachable
            remark = str(error)
        except HubError as error:
            return Probe(endpoint.url, False, None, str(error))
        return Probe(endpoint.url, True, time.monotonic() - started_s, remark)


def _silent(stage: str, done: int, total: int | None) -> None:
    """``backends.base.no_progress`` without importing numpy."""
