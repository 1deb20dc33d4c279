"""Voxgate and huggingface_hub share one cache."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.hub.content import REPO, HubFor, Python, files
from support.hub.fake_hub import FakeHub

from backends.hub import EndpointsFailed

NAMES = sorted(files())
# huggingface_hub freezes its settings when it is imported, so it runs in a process of its own.
READ = """
import json, sys
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
repo, name, local = sys.argv[1], sys.argv[2], sys.argv[3] == "local"
file = hf_hub_download(repo, name, local_files_only=local)
folder = snapshot_download(repo, local_files_only=local)
scanned = scan_cache_dir()
print(json.dumps({
    "file": file,
    "folder": folder,
    "warnings": [str(warning) for warning in scanned.warnings],
    "files": sorted(file.file_path.relative_to(revision.snapshot_path).as_posix()
                    for repo in scanned.repos for revision in repo.revisions for file in revision.files),
}))
"""


def read(python: Python, endpoint: str, where: str) -> dict[str, object]:
    output, errors = python(READ, REPO, "base/vocab.txt", where, HF_ENDPOINT=endpoint).communicate(timeout=60)
    assert output, errors
    found: dict[str, object] = json.loads(output)
    return found


@pytest.mark.parametrize("where", ["local", "online"])
def test_huggingface_hub_finds_our_files(official: FakeHub, hub_for: HubFor, python: Python, where: str) -> None:
    ours = hub_for(official).fetch(f"hf://{REPO}")
    served = official.served_bytes()
    theirs = read(python, official.url, where)
    assert theirs["folder"] == str(ours.path)
    assert theirs["file"] == str(ours.path / "base/vocab.txt")
    assert theirs["warnings"] == []
    assert theirs["files"] == NAMES
    assert official.served_bytes() == served


def test_we_find_the_files_of_huggingface_hub(official: FakeHub, hub_for: HubFor, python: Python) -> None:
    theirs = read(python, official.url, "online")
    served = official.served_bytes()
    ours = hub_for(official).fetch(f"hf://{REPO}", verify_cached=True)
    assert hub_for(offline=True).fetch(f"hf://{REPO}") == ours
    assert str(ours.path) == theirs["folder"]
    assert official.served_bytes() == served
    report = hub_for().check()
    assert (report.files, report.problems, report.unverifiable) == (len(NAMES), (), ())


def test_damage_we_report_is_unnoticed_by_huggingface_hub(official: FakeHub, hub_for: HubFor, python: Python) -> None:
    official.faults.corrupt = True
    assert read(python, official.url, "online")["warnings"] == []
    assert {problem.file for problem in hub_for().check().problems} == {name for name in NAMES if files()[name]}
    official.faults.corrupt = False
    mended = hub_for(official).fetch(f"hf://{REPO}", verify_cached=True)
    assert not hub_for().check().problems
    assert {name: (mended.path / name).read_bytes() for name in NAMES} == files()


def test_huggingface_hub_keeps_our_partial_downloads(
    official: FakeHub, hub_for: HubFor, python: Python, cache_dir: Path
) -> None:
    official.faults.cut_every = 1000
    with pytest.raises(EndpointsFailed):
        hub_for(official).fetch(f"hf://{REPO}/base/model.safetensors")
    official.faults.cut_every = 0
    code = "from huggingface_hub import scan_cache_dir as scan; print(scan().warnings, len(scan().incomplete_files))"
    output, errors = python(code).communicate(timeout=60)
    assert output.strip() == "[] 0", errors
    subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", "cache", "prune", "--yes", "--cache-dir", cache_dir],
        check=True,
        capture_output=True,
        timeout=60,
        env={"HF_HUB_DISABLE_UPDATE_CHECK": "1", "HOME": str(cache_dir)},
    )
    assert len(hub_for().check().unfinished) == 1
    hub_for(official).fetch(f"hf://{REPO}")
    large = [seen for seen in official.bodies() if seen.server == "storage"]
    assert large[-1].headers["Range"] == "bytes=3000-"


def test_endpoint_list_in_the_environment_works_beside_huggingface_hub(official: FakeHub, python: Python) -> None:
    """huggingface_hub cannot be imported with it as it is."""
    endpoints = f"http://127.0.0.1:9,{official.url}"
    failed = python("import huggingface_hub.file_download", HF_ENDPOINT=endpoints)
    assert "ValueError" in failed.communicate(timeout=60)[1]
    code = (
        f"from backends.hub import *; h = Hub(HubSettings.from_environment()); h.fetch('hf://{REPO}'); print(h.check())"
    )
    output, errors = python(code, HF_ENDPOINT=endpoints).communicate(timeout=60)
    assert "problems=()" in output, errors


def test_both_libraries_at_once_fetch_a_file_once(official: FakeHub, hub_for: HubFor, python: Python) -> None:
    """Each waits for the other's lock."""
    official.faults.throttle_bytes_s = 300_000
    process = python(READ, REPO, "base/model.safetensors", "online", HF_ENDPOINT=official.url)
    deadline_s = time.monotonic() + 60
    while not official.bodies():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    reports: set[str] = set()
    ours = hub_for(official).fetch(f"hf://{REPO}", lambda stage, done, total: reports.add(stage))
    output, errors = process.communicate(timeout=60)
    assert output, errors
    assert json.loads(output)["folder"] == str(ours.path)
    assert f"wait for another process to fetch {REPO}/base/model.safetensors" in reports
    large = [seen for seen in official.bodies() if seen.server == "storage"]
    assert len(large) == 1
