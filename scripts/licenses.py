"""Write what each extra installs, and under which licenses, into NOTICE; fail on a license that licenses.toml lacks.

    python scripts/licenses.py [--check]

Reads the metadata of installed packages, so the environment needs every extra: `make install-dev docs-env`.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from textwrap import fill

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
POLICY = tomllib.loads((ROOT / "scripts/licenses.toml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TITLE = "5. Every package that an installation brings"
INTRODUCTION = (
    "Names as `make install` and `make install-dev` install them on Linux x86-64 with Python 3.11; versions are in "
    "constraints.txt. An extra's list is what it adds to every installation. `make licenses` writes this section."
)


def left_out() -> set[str]:
    """Return the packages that ``overrides.txt`` keeps from being installed."""
    lines = (ROOT / "overrides.txt").read_text(encoding="utf-8").splitlines()
    overrides = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(one.name) for one in overrides if one.marker and not one.marker.evaluate()}


def resolve(listed: Iterable[str]) -> set[str]:
    """Return the packages that requirements bring, with all that those require on this platform.

    :raises SystemExit: if one is not installed.
    """
    found: set[tuple[str, frozenset[str]]] = set()
    queue, skipped = [Requirement(text) for text in listed], left_out()
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if name in skipped or (name, extras) in found:
            continue
        found.add((name, extras))
        for one in required_by(name):
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                queue.append(one)
    return {name for name, _ in found}


@cache
def required_by(name: str) -> list[Requirement]:
    """Return the requirements of an installed package, those of its extras too."""
    try:
        return [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed: run `make install-dev docs-env`") from None


def license_of(name: str) -> str:
    """Return an SPDX expression, or what the metadata says where it is none."""
    fields = metadata(name)
    classifiers = [
        text.rpartition(" :: ")[2] for text in fields.get_all("Classifier", []) if text.startswith("License ::")
    ]
    declared = "; ".join(set(classifiers) - {"OSI Approved"}) or (fields.get("License") or "").partition("\n")[0]
    given = POLICY["stated"].get(name) or fields.get("License-Expression") or declared
    return str(POLICY["names"].get(given, given))


def accepted(name: str, expression: str) -> bool:
    """Whether every license of an expression is permissive, or the package is accepted with it."""
    if any(fnmatch(name, pattern) and expression == known for pattern, known in POLICY["accepted"].items()):
        return True
    identifiers = set(re.findall(r"[^\s()]+", expression)) - {"AND", "OR", "WITH"}
    return bool(identifiers) and identifiers <= set(POLICY["permissive"])


def installations() -> dict[str, set[str]]:
    """Return the packages of every installation, and those that each extra adds to them."""
    base = resolve(PROJECT["dependencies"])
    added = {extra: resolve(listed) - base for extra, listed in PROJECT["optional-dependencies"].items()}
    return {"Every installation": base} | {f'Extra "{extra}"': names for extra, names in added.items()}


def section(found: dict[str, set[str]], licenses: dict[str, str]) -> str:
    """Return the section of NOTICE, from its title to the end of the file."""
    parts = [TITLE, "=" * len(TITLE), "", fill(INTRODUCTION, 125)]
    for title, names in found.items():
        parts += ["", f"{title}:"]
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            groups[licenses[name]].append(name)
        for expression, members in sorted(groups.items()):
            text = f"{expression}: {', '.join(members)}"
            parts.append(fill(text, 125, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write or check the section; without ``--check``, print every package with its version too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if NOTICE differs")
    check = parser.parse_args().check
    found = installations()
    licenses = {name: license_of(name) for name in sorted(set().union(*found.values()))}
    if unknown := [f"{name}: {text or 'none'}" for name, text in licenses.items() if not accepted(name, text)]:
        sys.exit("licenses that scripts/licenses.toml does not accept:\n" + "\n".join(unknown))
    notice = ROOT / "NOTICE"
    current = notice.read_text(encoding="utf-8")
    written = current.partition(TITLE)[0] + section(found, licenses)
    described = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info[:2] == (3, 11)
    if check and described and written != current:
        sys.exit("NOTICE, section 5, differs from the installed packages: run `make licenses`")
    if not check:
        notice.write_text(written, encoding="utf-8")
        for title, names in found.items():
            print(f"{title}:", *(f"  {name} {version(name)}: {licenses[name]}" for name in sorted(names)), sep="\n")


if __name__ == "__main__":
    main()
