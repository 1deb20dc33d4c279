"""Verifies what the cache holds, whoever put it there, without asking any endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backends.hub.cache import PARTIAL_SUFFIX, RepoCache
from backends.hub.content import hash_file, is_content_hash


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


def check_snapshots(
    caches: Iterable[tuple[RepoCache, str, str]], progress: Callable[[str, int, int | None], None]
) -> CheckReport:
    """Hash every file below the given (cache, commit, folder or file) places; shared content only once."""
    verdicts: dict[Path, str | None] = {}
    problems: list[Problem] = []
    unverifiable: list[Path] = []
    unfinished: set[Path] = set()
    size_bytes = 0
    for cache, commit, below in caches:
        unfinished.update(cache.root.glob(f"blobs/*{PARTIAL_SUFFIX}"))
        for path in _files(cache.snapshot(commit) / below):
            file = path.relative_to(cache.snapshot(commit)).as_posix()
            if (etag := _promised(cache, commit, file, path)) is None:
                unverifiable.append(path)
                continue
            content = path.resolve()
            if content not in verdicts:
                size_bytes += content.stat().st_size if content.exists() else 0
                verdicts[content] = _complaint(content, etag)
                progress(f"check {cache.repo}/{file}", size_bytes, None)
            if complaint := verdicts[content]:
                problems.append(Problem(cache.repo, commit, file, path, complaint))
    return CheckReport(len(verdicts), size_bytes, tuple(problems), tuple(unverifiable), tuple(sorted(unfinished)))


def _files(place: Path) -> Iterator[Path]:
    if place.is_symlink() or place.is_file():
        yield place
    for folder, _, names in os.walk(place):
        yield from (Path(folder, name) for name in sorted(names))


def _promised(cache: RepoCache, commit: str, file: str, path: Path) -> str | None:
    """The hash a file must have: its blob's name, or what the repository's listing says."""
    if path.is_symlink():
        # One hop only: huggingface_hub may keep the blob itself as a link into a store shared by repositories.
        name = Path(os.readlink(path)).name
        if is_content_hash(name):
            return name
    for listed in cache.listing(commit) or ():
        if listed.path == file:
            return listed.etag
    return None


def _complaint(content: Path, etag: str) -> str | None:
    try:
        found = hash_file(content, etag)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None if found == etag else f"its bytes hash to {found}, not {etag}"
