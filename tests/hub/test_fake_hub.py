"""The tools beside these tests, started as their README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backends.hub import EndpointsFailed, HubSettings

from .compare_with_hf import CASES
from .conftest import ROOT, HubFor, Python
from .fake_state import Faults


def test_the_fake_hub_by_hand(tmp_path: Path, hub_for: HubFor) -> None:
    folder = tmp_path / "root" / "owner" / "voice"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"0123456789")
    command = [sys.executable, "-m", "tests.hub.fake_hub", "--root", str(tmp_path / "root"), "--port", "0"]
    with subprocess.Popen([*command, "--fault", "cut_every=4"], cwd=ROOT, text=True, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().split()[0].removeprefix("HF_ENDPOINT=")
            assert hub_for(url).fetch("hf://owner/voice/config.json").path.read_text() == "{}"
            with pytest.raises(EndpointsFailed):
                hub_for(url, attempts=1).fetch("hf://owner/voice/model.safetensors")
            assert hub_for(url, attempts=2).fetch("hf://owner/voice").path.joinpath("model.safetensors").is_file()
        finally:
            server.kill()


def test_the_comparison_runs(python: Python) -> None:
    code = "import sys; sys.argv = ['compare', 'none']; from tests.hub.compare_with_hf import main; main()"
    output, errors = python(code).communicate(timeout=120)
    assert output.count("delivered") == 2, errors


def test_every_fault_is_described() -> None:
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    assert [name for name in Faults.__dataclass_fields__ if f"`{name}" not in readme] == []


def test_the_documentation_has_every_setting_and_every_compared_fault() -> None:
    page = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    keys = set(HubSettings.__dataclass_fields__) - {"token"}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in page] == []
    assert [case.fault for case in CASES if f"| {case.fault} |" not in page] == []
