"""Installed files are checked against the hashes in constraints.txt, and the bill of materials is valid."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts import licenses

ENTRY = re.compile(r"([a-z\d-]+)==[^\s;]+(?: ; .+?)?(?: \\\n    --hash=sha256:[\da-f]{64})+")
ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
METADATA = "Metadata-Version: 2.4\nName: small\nVersion: 1.0\nLicense-Expression: MIT\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of a package named small, and an environment."""
    folder = tmp_path_factory.mktemp("small")
    with zipfile.ZipFile(folder / "small-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("small-1.0.dist-info/METADATA", METADATA)
        archive.writestr("small-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("small-1.0.dist-info/RECORD", "")
    subprocess.run(
        [BIN / "uv", "venv", "--quiet", "--no-cache", "--python", sys.executable, folder / "venv"], check=True
    )
    return folder


def install(folder: Path, digest: str) -> subprocess.CompletedProcess[str]:
    """Install the package with constraints that name it with this hash, as the Makefile does."""
    (folder / "constraints.txt").write_text(f"small==1.0 \\\n    --hash=sha256:{digest}\n")
    command = [BIN / "uv", "pip", "install", "--no-cache", "--no-index", "--find-links", folder, "small"]
    options = ["--python", folder / "venv/bin/python", "--constraints", folder / "constraints.txt"]
    return subprocess.run([*command, *options], capture_output=True, text=True)


def test_file_with_another_hash_than_constraints_say_is_not_installed(folder: Path) -> None:
    refused = install(folder, "0" * 64)
    assert refused.returncode != 0
    assert "Hash mismatch" in refused.stderr
    wheel = folder / "small-1.0-py3-none-any.whl"
    accepted = install(folder, hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert accepted.returncode == 0, accepted.stderr


def test_constraints_pin_every_package_with_hashes_and_name_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text().strip()
    pinned = [ENTRY.fullmatch(entry) for entry in re.split(r"\n(?=\S)", text)]
    assert None not in pinned
    needed = set().union(*licenses.installations().values(), {"uv"})
    assert needed <= {entry[1] for entry in pinned if entry}
    assert "://" not in text


def test_bill_of_materials_is_valid_and_names_licenses(folder: Path) -> None:
    assert (
        install(folder, hashlib.sha256((folder / "small-1.0-py3-none-any.whl").read_bytes()).hexdigest()).returncode
        == 0
    )
    path = folder / "sbom.cdx.json"
    command = [BIN / "cyclonedx-py", "environment", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible"]
    subprocess.run([*command, "--no-validate", "--output-file", path, folder / "venv"], check=True, capture_output=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text()) is None
    document = json.loads(path.read_text())
    assert document["metadata"]["component"]["name"] == "voxgate"
    (component,) = document["components"]
    assert (component["name"], component["version"], component["licenses"][0]["license"]["id"]) == (
        "small",
        "1.0",
        "MIT",
    )
    for file in ("Makefile", "Dockerfile"):
        assert "cyclonedx-py environment --pyproject pyproject.toml --output-reproducible" in (ROOT / file).read_text()
