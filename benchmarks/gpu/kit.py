"""Collect wheels for the GPU machine, which has no network: ``make gpu-kit``.

``kit.txt`` lists the packages; ``kit-PURPOSE.txt`` beside it lists those of another purpose. Standard library only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from packages import HERE, ROOT, constraints, lines, present

PYTHON = "3.12"
GLIBC_MINORS = (39, 35, 34, 31, 28, 27, 24, 17, 12, 5)  # pip takes each of these tags literally; the machine has 2.39
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC_MINORS] + ["manylinux2014_x86_64", "manylinux1_x86_64"]


def required(purpose: str) -> tuple[list[str], list[str]]:
    """Return the requirements that have wheels, and those that are built here.

    :raises SystemExit: a package is on the machine already, or has no version in ``constraints.txt``.
    """
    entries = lines(HERE / ("kit.txt" if purpose == "bench" else f"kit-{purpose}.txt"))
    versions, there = constraints(), present()
    wheels: list[str] = []
    built: list[str] = []
    for entry in dict.fromkeys(entries):
        name, _, kind = entry.partition(" ")
        if name in there:
            raise SystemExit(f"{name}: listed in present.txt, so the machine has it; take it out of the kit")
        if name not in versions:
            raise SystemExit(f"{name}: no version in constraints.txt; add it there with `make constraints`")
        (built if kind == "source" else wheels).append(f"{name}=={versions[name]}")
    return wheels, built


def pip(*arguments: str) -> None:
    """Run pip.

    :raises SystemExit: it failed.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"failed: pip {' '.join(arguments)}")


def fill(folder: Path, purpose: str, python: str) -> int:
    """Put the wheels for that version of CPython into a folder in place of those there; returns their bytes."""
    wheels, built = required(purpose)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    platforms = [argument for tag in PLATFORMS for argument in ("--platform", tag)]
    target = ["--implementation", "cp", "--python-version", python, *platforms]
    pip("download", "--no-deps", "--only-binary=:all:", *target, "--dest", str(folder), *wheels)
    for requirement in built:
        pip("wheel", "--no-deps", "--wheel-dir", str(folder), requirement)
    made = sorted(folder.glob("*.whl"))
    if len(made) != len(wheels) + len(built):
        raise SystemExit(f"{folder}: {len(made)} wheels, but {len(wheels) + len(built)} packages were asked for")
    return sum(wheel.stat().st_size for wheel in made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--for", dest="purpose", default="bench", help="reads kit-PURPOSE.txt (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / ".gpu", help="the folder (default: %(default)s)")
    parser.add_argument("--python", default=PYTHON, help="the CPython it is for (default: %(default)s)")
    parser.add_argument("--limit-mib", type=float, default=30, help="fail if it becomes larger (default: %(default)s)")
    arguments = parser.parse_args()
    size_mib = fill(arguments.out, arguments.purpose, arguments.python) / 2**20
    print(f"{arguments.out}: {len(list(arguments.out.glob('*.whl')))} wheels, {size_mib:.1f} MiB")
    if size_mib > arguments.limit_mib:
        raise SystemExit(f"the kit is larger than {arguments.limit_mib:.0f} MiB")


if __name__ == "__main__":
    main()
