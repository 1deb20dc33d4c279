"""Verification of cached files by their hashes, without network access."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.hub.cache import PARTIAL_SUFFIX, RepoCache
from backends.hub.content import hash_file, is_content_hash
from backends.hub.selection import entries_below, matches, select

_UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class Problem:
    """One cached file that is damaged, unreadable or missing.

    :param path: path in the cache.
    :param file: path in the repository.
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


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """The part of a repository to verify.

    :param path: a file or a folder; empty: the whole repository at that commit.
    :param allow: for a folder, patterns of the files to verify.
    :param require_all: whether a listed file that is missing is a problem. Only the caller can know: a repository of
        which one file was fetched looks like one that lost the others.
    """

    cache: RepoCache
    commit: str
    path: str = ""
    allow: Sequence[str] = ()
    require_all: bool = False


@dataclass(frozen=True, slots=True)
class _FileCheck:
    repo: str
    commit: str
    file: str
    path: Path
    content: Path
    etag: str


def check_snapshots(targets: Iterable[CheckTarget], progress: Callable[[str, int, int | None], None]) -> CheckReport:
    """Hash every file of the given targets; shared content only once.

    :param progress: called with the stage, the hashed bytes and the total bytes.
    """
    checks: list[_FileCheck] = []
    problems: list[Problem] = []
    unverifiable: list[Path] = []
    unfinished: set[Path] = set()
    for target in targets:
        unfinished.update(target.cache.root.glob(f"blobs/*{PARTIAL_SUFFIX}"))
        _plan(target, checks, problems, unverifiable)
    sizes = {check.content: _size_bytes(check.content) for check in checks}
    total_bytes = sum(sizes.values())
    hashed: dict[tuple[Path, int], str] = {}
    seen: set[Path] = set()
    done_bytes = 0
    for check in checks:
        # Two links, one of them wrong, may expect different kinds of hash of one blob: it is hashed once per kind.
        kind = (check.content, len(check.etag))
        if kind not in hashed:
            stage, before_bytes = f"check {check.repo}/{check.file}", done_bytes

            def report(bytes_: int, stage: str = stage, before_bytes: int = before_bytes) -> None:
                progress(stage, before_bytes + bytes_, total_bytes)

            report(0)
            hashed[kind] = _hash(check, report if check.content not in seen else None)
            if check.content not in seen:
                seen.add(check.content)
                done_bytes += sizes[check.content]
                report(sizes[check.content])
        if hashed[kind] != check.etag:
            found = hashed[kind]
            complaint = found if found.startswith(_UNREADABLE) else f"its bytes hash to {found}, not {check.etag}"
            problems.append(Problem(check.repo, check.commit, check.file, check.path, complaint))
    return CheckReport(len(seen), total_bytes, tuple(problems), tuple(unverifiable), tuple(sorted(unfinished)))


def _plan(target: CheckTarget, checks: list[_FileCheck], problems: list[Problem], unverifiable: list[Path]) -> None:
    cache, commit = target.cache, target.commit
    snapshot = cache.snapshot(commit)
    listing = cache.listing(commit) or []
    listed = {file.path: file.etag for file in listing}
    here: set[str] = set()
    for path in _files(snapshot / target.path):
        file = path.relative_to(snapshot).as_posix()
        inner = path.relative_to(snapshot / target.path).as_posix()
        if inner != "." and not matches(inner, target.allow):
            continue
        here.add(file)
        # The listing first: a link may point to valid content of another file.
        if (etag := listed.get(file) or _hash_in_name(path)) is None:
            unverifiable.append(path)
        else:
            checks.append(_FileCheck(cache.repo, commit, file, path, Path(os.path.realpath(path)), etag))
    if target.require_all:
        for missing in select(entries_below(listing, target.path), target.allow):
            if missing.path not in here:
                path = snapshot / missing.path
                problems.append(Problem(cache.repo, commit, missing.path, path, "is not in the cache"))


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or path.is_file():
        yield path
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in sorted(names))


def _hash_in_name(path: Path) -> str | None:
    """The hash in the name of a link's target, for commits without a cached listing."""
    if not path.is_symlink():
        return None
    # One hop only: in huggingface_hub, the blob may itself be a link into a store that repositories share.
    name = Path(os.readlink(path)).name
    return name if is_content_hash(name) else None


def _hash(check: _FileCheck, report: Callable[[int], None] | None) -> str:
    try:
        return hash_file(check.content, check.etag, report)
    except OSError as error:
        return f"{_UNREADABLE}: {error.strerror or error}"


def _size_bytes(content: Path) -> int:
    try:
        return content.stat().st_size
    except OSError:  # reported when it is hashed
        return 0
