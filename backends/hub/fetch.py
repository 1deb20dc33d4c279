"""One fetch from the hub: find the commit and its files, download missing files, record the commit."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends.hub.cache import RemoteFile, RepoCache, size_of
from backends.hub.download import Download
from backends.hub.errors import AccessDenied, EndpointsFailed, HubError, MissingOffline, NotFound, WrongBytes
from backends.hub.meter import Meter
from backends.hub.reference import HubReference, Reference
from backends.hub.selection import entries_below, files_below, matches
from backends.hub.settings import HubSettings

if TYPE_CHECKING:
    from backends.base import Progress
    from backends.hub.endpoints import Endpoints

_NAMES_SHOWN = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The local files of a reference.

    :param path: the file, or the folder that contains the files.
    :param commit: the commit of the revision; None for files that are not from the hub.
    :param files: every file; for a folder, those that match ``allow``.
    """

    path: Path
    reference: Reference
    commit: str | None
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a planned fetch.

    :param path: path in the repository; for local files, the path itself.
    :param partial_bytes: size of a partial download.
    """

    path: str
    size_bytes: int
    cached: bool
    partial_bytes: int = 0


class HubFetch:
    """One fetch of one reference."""

    def __init__(
        self,
        settings: HubSettings,
        pause: Callable[[float], None],
        reference: HubReference,
        allow: Sequence[str],
        progress: Progress,
        verify_cached: bool = False,
    ):
        self._settings = settings
        self._pause = pause
        self._reference = reference
        self._allow = allow
        self._progress = progress
        self._verify_cached = verify_cached
        self._cache = RepoCache(settings.cache_dir, reference.repo)
        self._opened: Endpoints | None = None
        # Why only the cache is used: offline mode, or no endpoint responded.
        self._unavailable: HubError | None = None
        self._verified: set[tuple[Path, str]] = set()

    @property
    def _endpoints(self) -> Endpoints:
        if self._opened is None:
            from backends.hub.endpoints import Endpoints  # imports huggingface_hub

            self._opened = Endpoints(self._settings, self._pause)
        return self._opened

    def run(self, update: bool) -> Fetched:
        """Fetch; see :meth:`backends.hub.Hub.fetch`."""
        cache, reference = self._cache, self._reference
        commit = cache.commit_of(reference.revision)
        if commit and reference.path and not update and not self._verify_cached:
            file = cache.snapshot(commit) / reference.path
            if file.is_file():  # the common case of a running service needs neither a listing nor a library
                return Fetched(file, reference, commit, (file,))
        commit, listing = self._locate(update)
        target = cache.snapshot(commit) / reference.path
        if listing is None:
            files = self._unlisted(target)
        else:
            wanted = self._selected(listing)
            self._download_missing(commit, listing, wanted)
            files = [cache.snapshot(commit) / file.path for file in wanted]
        cache.record(reference.revision, commit)
        return Fetched(target, reference, commit, tuple(files))

    def plan(self, update: bool) -> list[PlannedFile]:
        """List the files that ``run`` would need, without writing anything."""
        commit, listing = self._locate(update)
        snapshot = self._cache.snapshot(commit)
        if listing is None:
            files = self._unlisted(snapshot / self._reference.path)
            return [PlannedFile(file.relative_to(snapshot).as_posix(), file.stat().st_size, True) for file in files]
        return [
            PlannedFile(
                file.path,
                file.size_bytes,
                cached=self._is_valid(snapshot / file.path, file) or self._is_valid(self._cache.blob(file), file),
                partial_bytes=size_of(self._cache.partial(file)),
            )
            for file in self._selected(listing)
        ]

    def _locate(self, update: bool) -> tuple[str, list[RemoteFile] | None]:
        """The commit, and its listing; None if no endpoint responds and the cache has no listing."""
        cache, repo, revision, path = self._cache, self._reference.repo, self._reference.revision, self._reference.path
        recorded = cache.commit_of(revision)
        listing = cache.listing(recorded) if recorded else None
        asked = revision
        if recorded and (recorded == revision or (not update and any(files_below(cache.snapshot(recorded))))):
            if listing is not None and (recorded == revision or entries_below(listing, path)):
                return recorded, listing
            if listing is None:  # otherwise the path is newer than the commit
                asked = recorded
        try:
            if self._settings.offline:
                raise MissingOffline(
                    f"{self._reference}: offline, and not cached; unset HF_HUB_OFFLINE to fetch it",
                    missing=(str(self._reference),),
                )
            return self._endpoints.ask(f"{repo}@{asked}", lambda remote: remote.resolve(repo, asked))
        except (NotFound, AccessDenied, EndpointsFailed, MissingOffline) as error:
            if not recorded or not any(files_below(cache.snapshot(recorded))):
                raise
            _log.warning("%s; using the cached commit %s", error, recorded)
            self._unavailable = error
            return recorded, listing

    def _selected(self, listing: Sequence[RemoteFile]) -> list[RemoteFile]:
        path = self._reference.path
        below = entries_below(listing, path)
        if not below:
            close = difflib.get_close_matches(path, [file.path for file in listing], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise NotFound(f"{self._reference}: no such file or folder{hint}")
        if wanted := [file for inner, file in below if matches(inner, self._allow)]:
            return wanted
        raise NotFound(f"{self._reference}: none of its {len(below)} files matches {', '.join(self._allow)}")

    def _unlisted(self, target: Path) -> list[Path]:
        """The cached files without a listing: another program fetched them, and no endpoint responds."""
        if not (files := list(files_below(target, self._allow))):
            raise self._unavailable or NotFound(f"{self._reference}: not cached")
        if target.is_dir():
            _log.warning("%s: cannot determine whether its %d cached files are complete", self._reference, len(files))
        return files

    def _download_missing(self, commit: str, listing: Sequence[RemoteFile], wanted: Sequence[RemoteFile]) -> None:
        cache, snapshot, repo = self._cache, self._cache.snapshot(commit), self._reference.repo
        meter = Meter(self._progress, sum(file.size_bytes for file in wanted))
        missing = []
        for file in wanted:
            if not self._is_valid(snapshot / file.path, file, meter.stage(f"verify cached {repo}/{file.path}")):
                missing.append(file)
            meter.done_bytes += file.size_bytes
        absent = [file for file in missing if not self._is_valid(cache.blob(file), file)]
        if absent and (self._settings.offline or self._unavailable is not None):
            raise self._incomplete(absent, len(wanted)) from self._unavailable
        if not missing:
            return
        partial_bytes = sum(size_of(cache.partial(file)) for file in absent)
        cache.prepare(commit, sum(file.size_bytes for file in absent) - partial_bytes)
        cache.save_listing(commit, listing)
        if cache.commit_of(self._reference.revision) is None:
            # Usually a commit is recorded when it is complete, so that a failed update leaves the old one in use.
            # But `hf cache prune` deletes repositories without a recorded commit.
            cache.record(self._reference.revision, commit)
        meter.done_bytes -= sum(file.size_bytes for file in missing)
        for file in missing:
            waiting = meter.stage(f"wait for another process to fetch {repo}/{file.path}")
            with cache.lock(file, self._settings.lock_timeout_s, waiting):
                rehashed = meter.stage(f"verify cached {repo}/{file.path}")
                # The holder before may have fetched it: as a blob or, on a disk without links, as the file itself.
                if not self._is_valid(snapshot / file.path, file, rehashed):
                    if not self._is_valid(cache.blob(file), file, rehashed):
                        self._download(commit, file, meter)
                    cache.publish(commit, file)
            meter.done_bytes += file.size_bytes

    def _incomplete(self, absent: Sequence[RemoteFile], wanted: int) -> HubError:
        names = ", ".join(file.path for file in absent[:_NAMES_SHOWN])
        more = f" and {len(absent) - _NAMES_SHOWN} more" if len(absent) > _NAMES_SHOWN else ""
        complaint = f"{self._reference}: the cache lacks {len(absent)} of {wanted} files: {names}{more}"
        if self._settings.offline:
            return MissingOffline(
                f"{complaint}; unset HF_HUB_OFFLINE to fetch them", missing=[file.path for file in absent]
            )
        return EndpointsFailed(f"{complaint}; {self._unavailable}", getattr(self._unavailable, "failures", ()))

    def _download(self, commit: str, file: RemoteFile, meter: Meter) -> None:
        repo = self._reference.repo
        report, rehashed = meter.stage(f"fetch {repo}/{file.path}"), meter.stage(f"verify cached {repo}/{file.path}")
        download = Download(self._cache.partial(file), file, self._settings, report, rehashed)
        try:
            self._endpoints.ask(f"{repo}/{file.path}", lambda remote: download.run(remote, repo, commit))
        except EndpointsFailed as error:
            if any(isinstance(failure, WrongBytes) for _, failure in error.failures):
                self._cache.delete_listing(commit)  # it may be wrong instead of the file
            raise

    def _is_valid(self, path: Path, file: RemoteFile, report: Callable[[int], None] = lambda _: None) -> bool:
        """Whether a file on disk has the right size and, if cached files are verified, the right bytes."""
        try:
            if path.stat().st_size != file.size_bytes:
                return False
            content = (path.resolve(), file.etag)
            if self._verify_cached and content not in self._verified:
                if file.hash_of(path, report) != file.etag:
                    return False
                self._verified.add(content)
        except OSError:  # missing or unreadable: it will be downloaded
            return False
        return True
