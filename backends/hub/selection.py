"""Selection of a reference's files, from a listing or from disk."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.hub.cache import RemoteFile


def matches(path: str, allow: Sequence[str]) -> bool:
    """Whether a path, relative to the requested folder, matches ``allow``; all match an empty ``allow``."""
    return not path or not allow or any(fnmatch.fnmatchcase(path, pattern) for pattern in allow)


def entries_below(listing: Sequence[RemoteFile], path: str) -> list[tuple[str, RemoteFile]]:
    """The listing's entries of a file or a folder, each with its path relative to the folder; empty for a file."""
    if exact := [("", file) for file in listing if file.path == path]:
        return exact
    folder = f"{path}/" if path else ""
    return [(file.path.removeprefix(folder), file) for file in listing if file.path.startswith(folder)]


def files_below(place: Path, allow: Sequence[str] = ()) -> Iterator[Path]:
    """The file itself, or the matching files of a folder, sorted."""
    if place.is_file():
        yield place
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        if path.is_file() and matches(path.relative_to(place).as_posix(), allow):
            yield path
