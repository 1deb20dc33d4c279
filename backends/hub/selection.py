"""Which files a reference means: of a listing, and of those on this machine."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends.hub.content import RemoteFile


def matches(path: str, allow: Sequence[str]) -> bool:
    """Whether a path below the folder asked for is among those asked for."""
    return not allow or any(fnmatch.fnmatchcase(path, pattern) for pattern in allow)


def listed_below(listing: Sequence[RemoteFile], path: str) -> list[tuple[str, RemoteFile]]:
    """A file itself, or a folder's files, of a listing; each with its path below the folder, empty for a file."""
    if exact := [("", file) for file in listing if file.path == path]:
        return exact
    folder = f"{path}/" if path else ""
    return [(file.path.removeprefix(folder), file) for file in listing if file.path.startswith(folder)]


def select(below: Sequence[tuple[str, RemoteFile]], allow: Sequence[str]) -> list[RemoteFile]:
    """Those of ``listed_below`` that are wanted."""
    return [file for inner, file in below if not inner or matches(inner, allow)]


def files_below(place: Path, allow: Sequence[str] = ()) -> Iterator[Path]:
    """A file itself, or a folder's files that match, in order."""
    if place.is_file():
        yield place
    elif place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.is_file() and matches(path.relative_to(place).as_posix(), allow):
                yield path
