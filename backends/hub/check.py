"""Verification of cached files by their hashes, without network access."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends.hub.cache import PARTIAL_SUFFIX, RemoteFile, RepoCache, cached_snapshots, size_of
from backends.hub.errors import MalformedReference, MissingOffline
from backends.hub.meter import Meter
from backends.hub.reference import HubReference, Reference, parse_reference
from backends.hub.selection import entries_below, matches

if TYPE_CHECKING:
    from backends.base import Progress


@dataclass(frozen=True, slots=True)
class Problem:
    """One cached file that is damaged, unreadable or missing.

    :param file: path in the repository.
    :param path: path in the cache.
    """

    repo: str
    commit: str
    file: str
    path: Path
    complaint: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.commit[:12]} {self.file}: {self.complaint}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a verification.

    :param unverifiable: files without a recorded hash.
    :param unfinished: partial downloads, which the next fetch resumes.
    """

    files: int
    size_bytes: int
    problems: tuple[Problem, ...]
    unverifiable: tuple[Path, ...]
    unfinished: tuple[Path, ...]


def check(
    cache_dir: Path, reference: str | Reference | None, progress: Progress, allow: Sequence[str] = ()
) -> CheckReport:
    """Verify cached files by their hashes. Changes nothing.

    :param reference: the files to verify; those in the cached listing must all be present. None: every cached file of
        every model; missing files are not a problem then.
    :param progress: called with the stage, the hashed bytes and the total bytes.
    :param allow: for a folder, ``fnmatch`` patterns of the files to verify, relative to the folder.
    :raises MissingOffline: if no file of the reference is cached.
    """
    targets = [(*target, "") for target in cached_snapshots(cache_dir)] if reference is None else []
    if reference is not None:
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        if not isinstance(parsed, HubReference):
            raise MalformedReference(f"{parsed}: only files from the hub have a hash to verify")
        cache = RepoCache(cache_dir, parsed.repo)
        commit = cache.commit_of(parsed.revision)
        # A dangling link counts as cached: it is a problem to report, not an empty cache.
        if commit is None or not os.path.lexists(cache.snapshot(commit) / parsed.path):
            raise MissingOffline(f"{parsed}: not cached", missing=(str(parsed),))
        targets.append((cache, commit, parsed.path))
    problems: list[Problem] = []
    unverifiable: list[Path] = []
    expected: list[tuple[RepoCache, str, Path, RemoteFile]] = []
    for cache, commit, below in targets:
        snapshot = cache.snapshot(commit)
        listing = cache.listing(commit) or []
        by_path = {file.path: file for file in listing}
        found = set()
        for path in _files(snapshot / below):
            name = path.relative_to(snapshot).as_posix()
            if not matches(name.removeprefix(below).lstrip("/"), allow):
                continue
            found.add(name)
            # The listing first: a link may point to valid content of another file.
            if (file := by_path.get(name) or _named_by_link(path, name)) is None:
                unverifiable.append(path)
            else:
                expected.append((cache, commit, path, file))
        if reference is not None:
            problems += [
                Problem(cache.repo, commit, file.path, snapshot / file.path, "is not in the cache")
                for inner, file in entries_below(listing, below)
                if matches(inner, allow) and file.path not in found
            ]
    sizes = {path.resolve(): size_of(path) for _, _, path, _ in expected}
    meter = Meter(progress, sum(sizes.values()))
    complaints: dict[tuple[Path, str], str] = {}
    for cache, commit, path, file in expected:
        content = path.resolve()
        if (content, file.etag) not in complaints:  # content that several paths share is hashed once
            complaints[content, file.etag] = _complaint(path, file, meter.stage(f"check {cache.repo}/{file.path}"))
            meter.done_bytes += sizes.pop(content, 0)
        if complaint := complaints[content, file.etag]:
            problems.append(Problem(cache.repo, commit, file.path, path, complaint))
    unfinished = {part for cache, _, _ in targets for part in cache.root.glob(f"blobs/*{PARTIAL_SUFFIX}")}
    files = len({path.resolve() for _, _, path, _ in expected})
    return CheckReport(files, meter.total_bytes, tuple(problems), tuple(unverifiable), tuple(sorted(unfinished)))


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or path.is_file():
        yield path
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in sorted(names))


def _named_by_link(path: Path, name: str) -> RemoteFile | None:
    """The file with the hash in the name of a link's target, for commits without a cached listing."""
    # One hop only: in huggingface_hub, the blob may itself be a link into a store that repositories share.
    etag = Path(os.readlink(path)).name if path.is_symlink() else None
    try:
        return RemoteFile.parse(name, size_of(path), etag, None)
    except ValueError:
        return None


def _complaint(path: Path, file: RemoteFile, report: Callable[[int], None]) -> str:
    """The fault of a file; empty if its bytes are right."""
    try:
        found = RemoteFile(file.path, path.stat().st_size, file.etag).hash_of(path, report)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return "" if found == file.etag else f"its bytes hash to {found}, not {file.etag}"
