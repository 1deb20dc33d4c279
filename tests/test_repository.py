"""Files that contributors and package indexes expect."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


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
