"""One fetch from the hub: resolve the revision, list the files, bring what is missing, record the revision."""

from __future__ import annotations

import difflib
import fnmatch
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
from backends.hub.settings import HubSettings
from backends.hub.transfer import HEADWAY_BYTES, Transfer

if TYPE_CHECKING:
    from backends.base import Progress
    from backends.hub.route import Route

_NAMES_SHOWN = 5

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
    """

    def __init__(
        self,
        settings: HubSettings,
        pause: Callable[[float], None],
        reference: HubReference,
        *,
        allow: Sequence[str] = (),
        verify_cached: bool = False,
        progress: Progress,
    ):
        self._settings = settings
        self._pause = pause
        self._reference = reference
        self._allow = allow
        self._verify_cached = verify_cached
        self._progress = progress
        self._cache = RepoCache(settings.cache_dir, reference.repo)
        self._opened_route: Route | None = None
        # Why only the cache is left: being offline on purpose, or because no endpoint answered.
        self._cut_off: HubError | None = None
        if settings.offline:
            self._cut_off = MissingOffline(f"{reference}: offline, and not cached", missing=(str(reference),))
        self._hashed: dict[tuple[int, int, int], bool] = {}

    def close(self) -> None:
        """Close the connections."""
        if self._opened_route is not None:
            self._opened_route.close()

    def run(self) -> Fetched:
        """Fetch.

        :raises HubError: one of the kinds drawn in ``backends.hub.errors``.
        """
        commit = self._commit()
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

    def plan(self) -> list[PlannedFile]:
        """List the files ``run`` would need; writes nothing.

        :raises HubError: as ``run`` does.
        """
        commit = self._commit()
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

    def _commit(self) -> str:
        repo, revision = self._reference.repo, self._reference.revision
        known = self._cache.commit_of(revision)
        if known == revision:  # a commit names itself
            return revision
        if self._cut_off is None:
            try:
                return self._route.ask(f"{repo}@{revision}", lambda client: client.commit(repo, revision))
            except (NotFound, AccessDenied, EndpointsFailed) as error:
                if known is None:
                    raise
                self._cut_off = error
                _log.warning("%s; going on with what is cached: commit %s", error, known)
                return known
        if known is None:
            raise MissingOffline(
                f"{self._reference}: offline, and the cache does not know which commit {revision!r} of {repo} is",
                missing=(str(self._reference),),
            )
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
        if exact := [file for file in listing if file.path == path]:
            return exact
        folder = f"{path}/" if path else ""
        below = [file for file in listing if file.path.startswith(folder)]
        if not below:
            close = difflib.get_close_matches(path, [file.path for file in listing], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise EntryNotFound(f"{self._reference}: no such file or folder{hint}")
        if wanted := [file for file in below if matches(file.path.removeprefix(folder), self._allow)]:
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
        missing = [file for file in wanted if not self._is_here(commit, file)]
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
        for file in missing:
            self._bring(commit, file)

    def _bring(self, commit: str, file: RemoteFile) -> None:
        name = f"{self._reference.repo}/{file.path}"

        def waiting(have_bytes: int) -> None:
            self._progress(f"wait for another process to fetch {name}", have_bytes, file.size_bytes)

        with self._cache.lock(file.etag, self._settings.lock_timeout_s, waiting):
            if not self._is_good(self._cache.blob(file.etag), file):
                self._transfer(commit, file, name)
                self._cache.publish(file.etag)
            self._cache.link(commit, file)

    def _transfer(self, commit: str, file: RemoteFile, name: str) -> None:
        def report(have_bytes: int) -> None:
            self._progress(f"fetch {name}", have_bytes, file.size_bytes)

        transfer = Transfer(self._cache.partial(file.etag), file, self._settings, report)
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

    def _is_here(self, commit: str, file: RemoteFile) -> bool:
        found = self._cache.find(commit, file.path)
        return found is not None and self._is_good(found, file)

    def _is_good(self, path: Path, file: RemoteFile) -> bool:
        try:
            stat = path.stat()
            if not self._verify_cached or stat.st_size != file.size_bytes:
                return stat.st_size == file.size_bytes
            version = (stat.st_dev, stat.st_ino, stat.st_mtime_ns)
            if version not in self._hashed:
                self._hashed[version] = hash_file(path, file.etag) == file.etag
            return self._hashed[version]
        except OSError:  # not there, or not readable any more: to be fetched
            return False


def matches(path: str, allow: Sequence[str]) -> bool:
    """Whether a path below the folder asked for is among those asked for."""
    return not allow or any(fnmatch.fnmatchcase(path, pattern) for pattern in allow)


def files_below(place: Path, allow: Sequence[str] = ()) -> Iterator[Path]:
    """A file itself, or a folder's files that match, in order."""
    if place.is_file():
        yield place
    elif place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.is_file() and matches(path.relative_to(place).as_posix(), allow):
                yield path


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
