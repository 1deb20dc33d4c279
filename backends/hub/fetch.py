"""One fetch from the hub: resolve the revision, list the files, bring what is missing, record the revision."""

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
    Lying,
    MissingOffline,
    NotFound,
)
from backends.hub.reference import HubReference, Reference
from backends.hub.selection import files_below, listed_below, select
from backends.hub.settings import HubSettings
from backends.hub.transfer import HEADWAY_BYTES, Transfer

if TYPE_CHECKING:
    from backends.base import Progress
    from backends.hub.route import Route

T = TypeVar("T")

_NAMES_SHOWN = 5
_CHECKING = "check what is here of"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A reference's files, all on this machine.

    :param path: the file, or the folder that holds the files.
    :param commit: what the revision stood for; None for files that did not come from the hub.
    :param files: every file of it; for a folder, those that were asked for.
    """

    path: Path
    reference: Reference
    commit: str | None
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file a fetch would need.

    :param path: inside the repository; as given for anything else.
    :param partial_bytes: how much of it an earlier transfer left.
    """

    path: str
    size_bytes: int
    cached: bool
    partial_bytes: int = 0


class HubFetch:
    """One fetch of one hub reference. Used once, then closed.

    :param verify_cached: hash what is cached already, and fetch again what is damaged.
    :param update: ask what a branch is now, where the cache knows what it was.
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
        self._opened_route: Route | None = None
        # Why only the cache is left: being offline on purpose, or because no endpoint answered.
        self._cut_off: HubError | None = None
        if settings.offline:
            self._cut_off = MissingOffline(f"{reference}: offline, and not cached", missing=(str(reference),))
        self._hashed: dict[tuple[int, int, int, str], bool] = {}

    def close(self) -> None:
        """Close the connections."""
        if self._opened_route is not None:
            self._opened_route.close()

    def run(self) -> Fetched:
        """Fetch.

        :raises HubError: one of the kinds drawn in ``backends.hub.errors``.
        """
        return self._at_commit(self._run)

    def plan(self) -> list[PlannedFile]:
        """List the files ``run`` would need; writes nothing.

        :raises HubError: as ``run`` does.
        """
        return self._at_commit(self._plan)

    def _at_commit(self, action: Callable[[str], T]) -> T:
        """Act at the commit that the revision was when it was first fetched, else at the one it is now."""
        revision = self._reference.revision
        recorded = self._cache.commit_of(revision)
        if recorded != revision and self._cut_off is None:
            if self._update or recorded is None or not self._cache.in_use(recorded):
                return action(self._resolved())
            try:
                return action(recorded)
            except NotFound as error:  # what is asked for has come since, or the commit is gone
                _log.info("%s; asking what %s of %s is now", error, revision, self._reference.repo)
                if (commit := self._resolved()) == recorded:
                    raise
                return action(commit)
        if recorded is None:
            raise MissingOffline(
                f"{self._reference}: offline, and the cache does not know which commit {revision!r} of"
                f" {self._reference.repo} is",
                missing=(str(self._reference),),
            )
        return action(recorded)

    def _run(self, commit: str) -> Fetched:
        target = self._cache.snapshot(commit) / self._reference.path
        cached = self._cache.find(commit, self._reference.path) if self._reference.path else None
        if cached is not None and not self._verify_cached:
            # The usual case of a running service: one file, long here. Asks for no listing.
            self._cache.record(self._reference.revision, commit)
            return Fetched(cached, self._reference, commit, (cached,))
        listing = self._listing(commit, keep=True)
        if listing is None:
            files = self._taken_on_trust(target)
        else:
            wanted = self._wanted(listing)
            self._complete(commit, wanted)
            files = [self._cache.snapshot(commit) / file.path for file in wanted]
        self._cache.record(self._reference.revision, commit)
        return Fetched(target, self._reference, commit, tuple(files))

    def _plan(self, commit: str) -> list[PlannedFile]:
        listing = self._listing(commit, keep=False)
        if listing is None:
            snapshot = self._cache.snapshot(commit)
            files = self._taken_on_trust(snapshot / self._reference.path)
            return [PlannedFile(file.relative_to(snapshot).as_posix(), file.stat().st_size, True) for file in files]
        return [
            PlannedFile(
                file.path,
                file.size_bytes,
                cached=self._is_here(commit, file) or self._is_good(self._cache.blob(file.etag), file),
                partial_bytes=_size_bytes(self._cache.partial(file.etag)),
            )
            for file in self._wanted(listing)
        ]

    @property
    def _route(self) -> Route:
        if self._opened_route is None:
            # Imported here: what is pinned and cached, or offline, needs no HTTP client.
            from backends.hub.route import Route

            self._opened_route = Route(self._settings, self._pause)
        return self._opened_route

    def _resolved(self) -> str:
        """The commit the revision is now; the recorded one if no endpoint says."""
        repo, revision = self._reference.repo, self._reference.revision
        try:
            return self._route.ask(f"{repo}@{revision}", lambda client: client.commit(repo, revision))
        except (NotFound, AccessDenied, EndpointsFailed) as error:
            if (known := self._cache.commit_of(revision)) is None:
                raise
            self._cut_off = error
            _log.warning("%s; going on with what is cached: commit %s", error, known)
            return known

    def _listing(self, commit: str, *, keep: bool) -> list[RemoteFile] | None:
        """What the repository contains; None when nobody can be asked."""
        if (listing := self._cache.listing(commit)) is not None or self._cut_off is not None:
            return listing
        repo = self._reference.repo
        try:
            listing = self._route.ask(f"the listing of {repo}", lambda client: client.listing(repo, commit))
        except (NotFound, AccessDenied, EndpointsFailed) as error:
            if next(files_below(self._cache.snapshot(commit) / self._reference.path), None) is None:
                raise
            self._cut_off = error
            return None
        if keep:
            self._cache.keep_listing(commit, listing)
        return listing

    def _wanted(self, listing: Sequence[RemoteFile]) -> list[RemoteFile]:
        path = self._reference.path
        below = listed_below(listing, path)
        if not below:
            close = difflib.get_close_matches(path, [file.path for file in listing], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise EntryNotFound(f"{self._reference}: no such file or folder{hint}")
        if wanted := select(below, self._allow):
            return wanted
        raise EntryNotFound(f"{self._reference}: none of its {len(below)} files matches {', '.join(self._allow)}")

    def _taken_on_trust(self, target: Path) -> list[Path]:
        """What is there, where nothing tells what should be: another tool fetched it, and no endpoint answers."""
        if not (files := list(files_below(target, self._allow))):
            raise self._cut_off or EntryNotFound(f"{self._reference}: nothing of it is cached")
        if target.is_dir():
            _log.warning("%s: cannot tell whether its %d cached files are all of them", self._reference, len(files))
        return files

    def _complete(self, commit: str, wanted: Sequence[RemoteFile]) -> None:
        total_bytes = sum(file.size_bytes for file in wanted)
        meter = _Meter(self._progress, self._reference.repo, total_bytes)
        missing = []
        for file in wanted:
            if not self._is_here(commit, file, meter.of(_CHECKING, file)):
                missing.append(file)
            meter.done_bytes += file.size_bytes
        if not missing:
            return
        absent = [file for file in missing if not self._is_good(self._cache.blob(file.etag), file)]
        if absent and self._cut_off is not None:
            names = ", ".join(file.path for file in absent[:_NAMES_SHOWN])
            more = f" and {len(absent) - _NAMES_SHOWN} more" if len(absent) > _NAMES_SHOWN else ""
            complaint = f"{self._reference}: the cache lacks {len(absent)} of {len(wanted)} files: {names}{more}"
            if self._settings.offline:
                complaint += "; switch HF_HUB_OFFLINE off to fetch them"
                raise MissingOffline(complaint, missing=[file.path for file in absent])
            raise EndpointsFailed(
                f"{complaint}; {self._cut_off}", getattr(self._cut_off, "failures", ())
            ) from self._cut_off
        self._cache.prepare(commit)
        if self._cache.commit_of(self._reference.revision) is None:
            # Normally a revision is recorded once it is complete, so that a failed update leaves the old one in
            # use. But `hf cache prune` takes a repository that no revision points to for rubbish.
            self._cache.record(self._reference.revision, commit)
        partial_bytes = sum(_size_bytes(self._cache.partial(file.etag)) for file in absent)
        self._cache.require_room(sum(file.size_bytes for file in absent) - partial_bytes)
        meter.done_bytes = total_bytes - sum(file.size_bytes for file in missing)
        for file in missing:
            self._bring(commit, file, meter)
            meter.done_bytes += file.size_bytes

    def _bring(self, commit: str, file: RemoteFile, meter: _Meter) -> None:
        waiting = meter.of("wait for another process to fetch", file)
        with self._cache.lock(file.etag, self._settings.lock_timeout_s, waiting):
            # Whoever held the lock may have brought it: as the blob, or on a disk without links as the name itself.
            if self._is_here(commit, file, meter.of(_CHECKING, file)):
                return
            if not self._is_good(self._cache.blob(file.etag), file, meter.of(_CHECKING, file)):
                self._transfer(commit, file, meter)
                self._cache.publish(file.etag)
            self._cache.link(commit, file)

    def _transfer(self, commit: str, file: RemoteFile, meter: _Meter) -> None:
        name = f"{self._reference.repo}/{file.path}"
        report, rehashed = meter.of("fetch", file), meter.of(_CHECKING, file)
        transfer = Transfer(self._cache.partial(file.etag), file, self._settings, report, rehashed)
        while True:
            before_bytes = transfer.have_bytes
            try:
                return self._route.ask(name, lambda client: transfer.run(client, self._reference.repo, commit))
            except EndpointsFailed as error:
                if any(isinstance(failure, Lying) for _, failure in error.failures):
                    # Perhaps not the files are wrong but the listing, which would be believed forever.
                    self._cache.forget_listing(commit)
                # Endpoints that all break off now and then still bring a large file, a stretch each time.
                if transfer.have_bytes - before_bytes < HEADWAY_BYTES:
                    raise

    def _is_here(self, commit: str, file: RemoteFile, report: Callable[[int], None] | None = None) -> bool:
        found = self._cache.find(commit, file.path)
        return found is not None and self._is_good(found, file, report)

    def _is_good(self, path: Path, file: RemoteFile, report: Callable[[int], None] | None = None) -> bool:
        try:
            stat = path.stat()
            if not self._verify_cached or stat.st_size != file.size_bytes:
                return stat.st_size == file.size_bytes
            version = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, file.etag)
            if version not in self._hashed:
                self._hashed[version] = hash_file(path, file.etag, report) == file.etag
            return self._hashed[version]
        except OSError:  # not there, or not readable any more: to be fetched
            return False


class _Meter:
    """Progress over all files of a reference, so that a folder's bar never jumps back from one file to the next.

    :param total_bytes: of all wanted files.
    :ivar done_bytes: of those that are dealt with.
    """

    def __init__(self, progress: Progress, repo: str, total_bytes: int):
        self._progress = progress
        self._repo = repo
        self._total_bytes = total_bytes
        self.done_bytes = 0

    def of(self, stage: str, file: RemoteFile) -> Callable[[int], None]:
        """What to call with the bytes of a file that are dealt with."""
        return lambda bytes_: self._progress(
            f"{stage} {self._repo}/{file.path}", self.done_bytes + bytes_, self._total_bytes
        )


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
