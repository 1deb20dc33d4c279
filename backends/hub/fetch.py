"""One fetch from the hub: resolve the revision, list the files, download missing files, record the commit."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from backends.hub.cache import RepoCache
from backends.hub.content import RemoteFile, hash_file
from backends.hub.errors import (
    AccessDenied,
    EndpointsFailed,
    EntryNotFound,
    HubError,
    IntegrityError,
    MissingOffline,
    NotFound,
)
from backends.hub.reference import HubReference, Reference
from backends.hub.selection import entries_below, files_below, select
from backends.hub.settings import HubSettings
from backends.hub.transfer import PROGRESS_BYTES, Transfer

if TYPE_CHECKING:
    from backends.base import Progress
    from backends.hub.endpoints import EndpointPool

T = TypeVar("T")

_NAMES_SHOWN = 5
_VERIFYING = "verify cached"

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
    """One fetch of one hub reference. Used once, then closed.

    :param verify_cached: hash cached files, and download damaged ones again.
    :param update: resolve a branch or tag again, even if the cache has its commit.
    """

    def __init__(
        self,
        settings: HubSettings,
        pause: Callable[[float], None],
        reference: HubReference,
        *,
        allow: Sequence[str] = (),
        verify_cached: bool = False,
        update: bool = False,
        progress: Progress,
    ):
        self._settings = settings
        self._pause = pause
        self._reference = reference
        self._allow = allow
        self._verify_cached = verify_cached
        self._update = update
        self._progress = progress
        self._cache = RepoCache(settings.cache_dir, reference.repo)
        self._opened_pool: EndpointPool | None = None
        # Why only the cache is used: offline mode, or no endpoint responded. None: endpoints are used.
        self._unavailable: HubError | None = None
        if settings.offline:
            self._unavailable = MissingOffline(f"{reference}: offline, and not cached", missing=(str(reference),))
        self._hashed: dict[tuple[int, int, int, str], bool] = {}

    def close(self) -> None:
        """Close the connections."""
        if self._opened_pool is not None:
            self._opened_pool.close()

    def run(self) -> Fetched:
        """Fetch.

        :raises HubError: see ``backends.hub.errors``.
        """
        return self._at_commit(self._run)

    def plan(self) -> list[PlannedFile]:
        """List the files that ``run`` would need, without writing anything.

        :raises HubError: as ``run`` does.
        """
        return self._at_commit(self._plan)

    def _at_commit(self, action: Callable[[str], T]) -> T:
        """Run an action at the recorded commit of the revision, or at its current commit."""
        revision = self._reference.revision
        recorded = self._cache.commit_of(revision)
        if recorded != revision and self._unavailable is None:
            if self._update or recorded is None or not self._cache.has_files(recorded):
                return action(self._resolve())
            try:
                return action(recorded)
            except NotFound as error:  # the path is newer than the commit, or the commit is gone
                _log.info("%s; resolving %s of %s again", error, revision, self._reference.repo)
                if (commit := self._resolve()) == recorded:
                    raise
                return action(commit)
        if recorded is None:
            raise MissingOffline(
                f"{self._reference}: offline, and the cache has no commit for {revision!r} of {self._reference.repo}",
                missing=(str(self._reference),),
            )
        return action(recorded)

    def _run(self, commit: str) -> Fetched:
        target = self._cache.snapshot(commit) / self._reference.path
        cached = self._cache.find(commit, self._reference.path) if self._reference.path else None
        if cached is not None and not self._verify_cached:
            # The common case of a running service: a single cached file needs no listing.
            self._cache.record(self._reference.revision, commit)
            return Fetched(cached, self._reference, commit, (cached,))
        listing = self._listing(commit, keep=True)
        if listing is None:
            files = self._unverified_files(target)
        else:
            wanted = self._selected(listing)
            self._download_missing(commit, wanted)
            files = [self._cache.snapshot(commit) / file.path for file in wanted]
        self._cache.record(self._reference.revision, commit)
        return Fetched(target, self._reference, commit, tuple(files))

    def _plan(self, commit: str) -> list[PlannedFile]:
        listing = self._listing(commit, keep=False)
        if listing is None:
            snapshot = self._cache.snapshot(commit)
            files = self._unverified_files(snapshot / self._reference.path)
            return [PlannedFile(file.relative_to(snapshot).as_posix(), file.stat().st_size, True) for file in files]
        return [
            PlannedFile(
                file.path,
                file.size_bytes,
                cached=self._is_cached(commit, file) or self._is_valid(self._cache.blob(file.etag), file),
                partial_bytes=_size_bytes(self._cache.partial(file.etag)),
            )
            for file in self._selected(listing)
        ]

    @property
    def _pool(self) -> EndpointPool:
        if self._opened_pool is None:
            # Imported here: cached commits and offline mode need no HTTP client.
            from backends.hub.endpoints import EndpointPool

            self._opened_pool = EndpointPool(self._settings, self._pause)
        return self._opened_pool

    def _resolve(self) -> str:
        """The current commit of the revision; the recorded one if no endpoint responds."""
        repo, revision = self._reference.repo, self._reference.revision
        try:
            return self._pool.request(f"{repo}@{revision}", lambda client: client.commit(repo, revision))
        except (NotFound, AccessDenied, EndpointsFailed) as error:
            if (known := self._cache.commit_of(revision)) is None:
                raise
            self._unavailable = error
            _log.warning("%s; using the cached commit %s", error, known)
            return known

    def _listing(self, commit: str, *, keep: bool) -> list[RemoteFile] | None:
        """The listing of the repository; None if it is not cached and no endpoint responds."""
        if (listing := self._cache.listing(commit)) is not None or self._unavailable is not None:
            return listing
        repo = self._reference.repo
        try:
            listing = self._pool.request(f"the listing of {repo}", lambda client: client.listing(repo, commit))
        except (NotFound, AccessDenied, EndpointsFailed) as error:
            if next(files_below(self._cache.snapshot(commit) / self._reference.path), None) is None:
                raise
            self._unavailable = error
            return None
        if keep:
            self._cache.save_listing(commit, listing)
        return listing

    def _selected(self, listing: Sequence[RemoteFile]) -> list[RemoteFile]:
        path = self._reference.path
        below = entries_below(listing, path)
        if not below:
            close = difflib.get_close_matches(path, [file.path for file in listing], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise EntryNotFound(f"{self._reference}: no such file or folder{hint}")
        if wanted := select(below, self._allow):
            return wanted
        raise EntryNotFound(f"{self._reference}: none of its {len(below)} files matches {', '.join(self._allow)}")

    def _unverified_files(self, target: Path) -> list[Path]:
        """The cached files, if there is no listing: another tool fetched them, and no endpoint responds."""
        if not (files := list(files_below(target, self._allow))):
            raise self._unavailable or EntryNotFound(f"{self._reference}: not cached")
        if target.is_dir():
            _log.warning("%s: cannot determine whether its %d cached files are complete", self._reference, len(files))
        return files

    def _download_missing(self, commit: str, wanted: Sequence[RemoteFile]) -> None:
        total_bytes = sum(file.size_bytes for file in wanted)
        meter = _ProgressMeter(self._progress, self._reference.repo, total_bytes)
        missing = []
        for file in wanted:
            if not self._is_cached(commit, file, meter.stage(_VERIFYING, file)):
                missing.append(file)
            meter.done_bytes += file.size_bytes
        if not missing:
            return
        absent = [file for file in missing if not self._is_valid(self._cache.blob(file.etag), file)]
        if absent and self._unavailable is not None:
            names = ", ".join(file.path for file in absent[:_NAMES_SHOWN])
            more = f" and {len(absent) - _NAMES_SHOWN} more" if len(absent) > _NAMES_SHOWN else ""
            complaint = f"{self._reference}: the cache lacks {len(absent)} of {len(wanted)} files: {names}{more}"
            if self._settings.offline:
                complaint += "; unset HF_HUB_OFFLINE to fetch them"
                raise MissingOffline(complaint, missing=[file.path for file in absent])
            raise EndpointsFailed(
                f"{complaint}; {self._unavailable}", getattr(self._unavailable, "failures", ())
            ) from self._unavailable
        self._cache.prepare(commit)
        if self._cache.commit_of(self._reference.revision) is None:
            # Usually a commit is recorded when it is complete, so that a failed update leaves the old one in use.
            # But `hf cache prune` deletes repositories without a recorded commit.
            self._cache.record(self._reference.revision, commit)
        partial_bytes = sum(_size_bytes(self._cache.partial(file.etag)) for file in absent)
        self._cache.require_free_space(sum(file.size_bytes for file in absent) - partial_bytes)
        meter.done_bytes = total_bytes - sum(file.size_bytes for file in missing)
        for file in missing:
            self._fetch_file(commit, file, meter)
            meter.done_bytes += file.size_bytes

    def _fetch_file(self, commit: str, file: RemoteFile, meter: _ProgressMeter) -> None:
        waiting = meter.stage("wait for another process to fetch", file)
        with self._cache.lock(file.etag, self._settings.lock_timeout_s, waiting):
            # The previous holder may have downloaded it: as a blob or, on a disk without links, as the file itself.
            if self._is_cached(commit, file, meter.stage(_VERIFYING, file)):
                return
            if not self._is_valid(self._cache.blob(file.etag), file, meter.stage(_VERIFYING, file)):
                self._transfer(commit, file, meter)
                self._cache.publish(file.etag)
            self._cache.link(commit, file)

    def _transfer(self, commit: str, file: RemoteFile, meter: _ProgressMeter) -> None:
        name = f"{self._reference.repo}/{file.path}"
        report, rehashed = meter.stage("fetch", file), meter.stage(_VERIFYING, file)
        transfer = Transfer(self._cache.partial(file.etag), file, self._settings, report, rehashed)
        while True:
            before_bytes = transfer.have_bytes
            try:
                return self._pool.request(name, lambda client: transfer.run(client, self._reference.repo, commit))
            except EndpointsFailed as error:
                if any(isinstance(failure, IntegrityError) for _, failure in error.failures):
                    # The listing may be wrong instead of the files; cached, it would be used forever.
                    self._cache.delete_listing(commit)
                # Endpoints that all break repeatedly can still deliver a large file, part by part.
                if transfer.have_bytes - before_bytes < PROGRESS_BYTES:
                    raise

    def _is_cached(self, commit: str, file: RemoteFile, report: Callable[[int], None] | None = None) -> bool:
        found = self._cache.find(commit, file.path)
        return found is not None and self._is_valid(found, file, report)

    def _is_valid(self, path: Path, file: RemoteFile, report: Callable[[int], None] | None = None) -> bool:
        try:
            stat = path.stat()
            if not self._verify_cached or stat.st_size != file.size_bytes:
                return stat.st_size == file.size_bytes
            version = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, file.etag)
            if version not in self._hashed:
                self._hashed[version] = hash_file(path, file.etag, report) == file.etag
            return self._hashed[version]
        except OSError:  # missing or unreadable: it will be downloaded
            return False


class _ProgressMeter:
    """Progress over all files of a reference, so that a folder's progress bar never jumps back.

    :param total_bytes: size of all selected files.
    :ivar done_bytes: size of the files that are complete.
    """

    def __init__(self, progress: Progress, repo: str, total_bytes: int):
        self._progress = progress
        self._repo = repo
        self._total_bytes = total_bytes
        self.done_bytes = 0

    def stage(self, name: str, file: RemoteFile) -> Callable[[int], None]:
        """A callback for one stage of one file; it takes the number of processed bytes."""
        return lambda bytes_: self._progress(
            f"{name} {self._repo}/{file.path}", self.done_bytes + bytes_, self._total_bytes
        )


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
