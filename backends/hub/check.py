"""Verifies what the cache holds, whoever put it there, without asking any endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.hub.cache import PARTIAL_SUFFIX, RepoCache
from backends.hub.content import hash_file, is_content_hash
from backends.hub.selection import listed_below, matches, select

_UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class Problem:
    """One cached file that is not what its name promises.

    :param path: the name it is loaded by.
    :param file: path inside the repository.
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
    """What verifying found.

    :param unverifiable: files whose hash nobody recorded: neither good nor bad.
    :param unfinished: transfers that broke and will be continued when the file is fetched again.
    """

    files: int
    size_bytes: int
    problems: tuple[Problem, ...]
    unverifiable: tuple[Path, ...]
    unfinished: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What to verify.

    :param below: a file, a folder or, empty, all of the repository at that commit.
    :param allow: for a folder, only files that match.
    :param whole: whether all that the listing has there is to be here. Only who named the place can know: without a
        name, a repository of which one file was fetched looks like one that lost the others.
    """

    cache: RepoCache
    commit: str
    below: str = ""
    allow: Sequence[str] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    repo: str
    commit: str
    file: str
    path: Path
    content: Path
    etag: str


def check_snapshots(places: Iterable[Place], progress: Callable[[str, int, int | None], None]) -> CheckReport:
    """Hash every file of the given places; shared content only once.

    :param progress: told what is being hashed, the bytes that are hashed, and the bytes there are.
    """
    jobs: list[_Job] = []
    problems: list[Problem] = []
    unverifiable: list[Path] = []
    unfinished: set[Path] = set()
    for place in places:
        unfinished.update(place.cache.root.glob(f"blobs/*{PARTIAL_SUFFIX}"))
        _plan(place, jobs, problems, unverifiable)
    sizes = {job.content: _size_bytes(job.content) for job in jobs}
    total_bytes = sum(sizes.values())
    hashed: dict[tuple[Path, int], str] = {}
    seen: set[Path] = set()
    done_bytes = 0
    for job in jobs:
        # Content may be promised to be two things, by two links of which one is wrong; it is hashed once per kind.
        kind = (job.content, len(job.etag))
        if kind not in hashed:
            stage, before_bytes = f"check {job.repo}/{job.file}", done_bytes

            def report(bytes_: int, stage: str = stage, before_bytes: int = before_bytes) -> None:
                progress(stage, before_bytes + bytes_, total_bytes)

            report(0)
            hashed[kind] = _hash(job, report if job.content not in seen else None)
            if job.content not in seen:
                seen.add(job.content)
                done_bytes += sizes[job.content]
                report(sizes[job.content])
        if hashed[kind] != job.etag:
            found = hashed[kind]
            complaint = found if found.startswith(_UNREADABLE) else f"its bytes hash to {found}, not {job.etag}"
            problems.append(Problem(job.repo, job.commit, job.file, job.path, complaint))
    return CheckReport(len(seen), total_bytes, tuple(problems), tuple(unverifiable), tuple(sorted(unfinished)))


def _plan(place: Place, jobs: list[_Job], problems: list[Problem], unverifiable: list[Path]) -> None:
    cache, commit = place.cache, place.commit
    snapshot = cache.snapshot(commit)
    listing = cache.listing(commit) or []
    listed = {file.path: file.etag for file in listing}
    here: set[str] = set()
    for path in _files(snapshot / place.below):
        file = path.relative_to(snapshot).as_posix()
        inner = path.relative_to(snapshot / place.below).as_posix()
        if inner != "." and not matches(inner, place.allow):
            continue
        here.add(file)
        # The listing first: a link may lead to sound content that is another file's.
        if (etag := listed.get(file) or _named(path)) is None:
            unverifiable.append(path)
        else:
            jobs.append(_Job(cache.repo, commit, file, path, Path(os.path.realpath(path)), etag))
    if place.whole:
        for missing in select(listed_below(listing, place.below), place.allow):
            if missing.path not in here:
                path = snapshot / missing.path
                problems.append(Problem(cache.repo, commit, missing.path, path, "is not in the cache"))


def _files(place: Path) -> Iterator[Path]:
    if place.is_symlink() or place.is_file():
        yield place
    for folder, _, names in os.walk(place):
        yield from (Path(folder, name) for name in sorted(names))


def _named(path: Path) -> str | None:
    """The hash a link's target is named by, where no listing says what the file is to be."""
    if not path.is_symlink():
        return None
    # One hop only: huggingface_hub may keep the blob itself as a link into a store shared by repositories.
    name = Path(os.readlink(path)).name
    return name if is_content_hash(name) else None


def _hash(job: _Job, report: Callable[[int], None] | None) -> str:
    try:
        return hash_file(job.content, job.etag, report)
    except OSError as error:
        return f"{_UNREADABLE}: {error.strerror or error}"


def _size_bytes(content: Path) -> int:
    try:
        return content.stat().st_size
    except OSError:  # said again, and louder, when it is to be hashed
        return 0
