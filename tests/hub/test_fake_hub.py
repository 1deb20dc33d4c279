"""The fake hub's command line, the comparison script, and their documentation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.hub.compare_with_hf import CASES
from support.hub.content import ROOT, HubFor, Python
from support.hub.fake_state import Faults

from backends.hub import EndpointsFailed, HubSettings


def test_fake_hub_serves_a_folder_with_faults(tmp_path: Path, hub_for: HubFor) -> None:
    folder = tmp_path / "root" / "owner" / "voice"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"0123456789")
    command = [sys.executable, "-m", "tests.support.hub.fake_hub", "--root", str(tmp_path / "root"), "--port", "0"]
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


def test_comparison_runs_its_first_case(python: Python) -> None:
    code = "import sys; sys.argv = ['compare', 'none']; from tests.support.hub.compare_with_hf import main; main()"
    output, errors = python(code).communicate(timeout=120)
    assert output.count("delivered") == 2, errors


def test_readme_describes_every_fault() -> None:
    readme = (ROOT / "tests/support/hub/README.md").read_text(encoding="utf-8")
    assert [name for name in Faults.__dataclass_fields__ if f"`{name}" not in readme] == []


def test_documentation_lists_every_setting_and_compared_fault() -> None:
    page = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    keys = set(HubSettings.__struct_fields__)
    assert [key for key in sorted(keys) if f"| `{key}` |" not in page] == []
    assert [case.fault for case in CASES if f"| {case.fault} |" not in page] == []
