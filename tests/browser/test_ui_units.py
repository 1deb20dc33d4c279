"""Unit tests, types and style of the page's JavaScript, under Node.js."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "gateway/webui/static/vendor"


def run(*command: str) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_javascript_units_pass() -> None:
    tests = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/browser/units").glob("*.test.js"))
    assert tests
    run("node", "--test", *tests)


@pytest.mark.parametrize("command", [("tsc",), ("eslint", ".")])
def test_types_and_style_have_no_errors(command: tuple[str, ...]) -> None:
    run(f"node_modules/.bin/{command[0]}", *command[1:])


def test_vendored_modules_are_those_of_package_json(tmp_path: Path) -> None:
    """`make ui-vendor` would change nothing."""
    copy = tmp_path / "repository"
    (copy / "gateway/webui/static/vendor").mkdir(parents=True)
    (copy / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/ui_vendor.py", copy / "scripts")
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    subprocess.run([sys.executable, "scripts/ui_vendor.py"], cwd=copy, check=True)
    written = {path.name: path.read_bytes() for path in (copy / "gateway/webui/static/vendor").iterdir()}
    assert written == {path.name: path.read_bytes() for path in VENDOR.iterdir()}
