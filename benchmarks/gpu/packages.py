"""The lists of packages beside this file, and the versions in ``constraints.txt``."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def lines(path: Path) -> list[str]:
    """Return a list's lines without comments."""
    stripped = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if line]


def pins(path: Path) -> dict[str, str]:
    """Return the version of each package of a file in pip's format; an empty one where none is given."""
    entries = (line.partition(" ")[0].partition("==") for line in lines(path) if not line.startswith("--hash"))
    return {name: version for name, _, version in entries}


def constraints() -> dict[str, str]:
    """Return the versions that this repository is tested with."""
    return pins(ROOT / "constraints.txt")


def present() -> dict[str, str]:
    """Return what the GPU machine has."""
    return pins(HERE / "present.txt")
