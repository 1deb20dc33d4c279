"""Licenses of installed packages agree with NOTICE, and nothing that the default install brings is under the GPL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from scripts import licenses

ROOT = Path(__file__).parents[1]
COPYLEFT = re.compile(r"(?<![\w-])A?GPL|BY-NC", re.IGNORECASE)  # not the LGPL


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    return licenses.installations()


def test_every_package_has_an_accepted_license_that_notice_lists(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["licenses.py", "--check"])
    licenses.main()
    assert capsys.readouterr().out == ""


def test_package_that_notice_lacks_fails_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    (tmp_path / "NOTICE").write_text(notice.replace("  MPL-2.0: certifi\n", ""), encoding="utf-8")
    (tmp_path / "overrides.txt").write_text((ROOT / "overrides.txt").read_text())
    monkeypatch.setattr(licenses, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["licenses.py", "--check"])
    with pytest.raises(SystemExit, match="make licenses"):
        licenses.main()


@pytest.mark.parametrize(
    ("name", "expression", "accepted"),
    [
        ("new", "MIT", True),
        ("new", "BSD-3-Clause AND (Apache-2.0 OR MIT)", True),
        ("new", "", False),
        ("new", "MIT OR GPL-3.0-only", False),
        ("new", "LGPL-2.1-or-later", False),
        ("soxr", "LGPL-2.1-or-later", True),
        ("soxr", "GPL-3.0-only", False),
        ("new", "LicenseRef-NVIDIA-Proprietary", False),
        ("nvidia-new", "LicenseRef-NVIDIA-Proprietary", True),
        ("new", "Creative Commons Attribution-NonCommercial 4.0 International", False),
    ],
)
def test_license_is_accepted_if_permissive_or_listed_for_the_package(
    name: str, expression: str, accepted: bool
) -> None:
    assert licenses.accepted(name, expression) == accepted


def test_section_3_of_notice_names_every_package_that_is_not_permissive(found: dict[str, set[str]]) -> None:
    section = (ROOT / "NOTICE").read_text(encoding="utf-8").partition("\n3. ")[2].partition("\n4. ")[0]
    accepted = licenses.POLICY["accepted"]
    assert [name for name in accepted if name not in section] == []
    assert [text for text in accepted.values() if text not in section] == []
    installed = set().union(*found.values())
    assert [name for name in accepted if "*" not in name and name not in installed] == [], "no longer installed"


def test_no_package_of_the_default_install_is_under_the_gpl_or_non_commercial(found: dict[str, set[str]]) -> None:
    extras = [f'Extra "{name}"' for name in ("lite", "f5", "fish", "fish-ja", "fish-zh", "examples")]
    installed = set().union(found["Every installation"], *(found[name] for name in extras))
    assert {"torch", "openai", "starlette"} <= installed
    assert {name: text for name in installed if COPYLEFT.search(text := licenses.license_of(name))} == {}


def test_packages_left_out_are_neither_pinned_nor_imported() -> None:
    names = licenses.left_out()
    assert {"unidecode", "vocos"} == names
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert names.isdisjoint(map(canonicalize_name, pinned))
    folders = ("gateway", "backends", "recipes", "examples", "benchmarks", "scripts")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    pattern = re.compile(rf"^\s*(import|from) ({'|'.join(names)}|encodec)\b", re.MULTILINE)
    assert [match.group() for source in sources if (match := pattern.search(source))] == []
