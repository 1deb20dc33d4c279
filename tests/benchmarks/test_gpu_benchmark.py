"""The GPU benchmark's driver, its table, and the reckoning on a profiler's trace; no stage of it runs here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks/gpu"
# In a process of its own: f5.py and fish.py there would hide the packages of tests of those names.
DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import stages
stages.STAGES = tuple(stages.Stage(path.stem, path, 1) for path in sorted(Path({scripts!r}).glob("*.py")))
stages.LEAST_S, stages.KILL_AFTER_S = {least_s}, 1
sys.exit(stages.main())
"""
FAKE = """
import argparse, json, pathlib, subprocess, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--out"); parser.add_argument("--device"); parser.add_argument("--quick", action="store_true")
arguments = parser.parse_args()
row = {"what": "device " + arguments.device, "values": {"speed": 1.5}}
pathlib.Path(arguments.out).write_text(json.dumps({"stage": "x", "rows": [row] * ROWS, "notes": ["quick"]}))
"""


def stage(folder: Path, name: str, then: str = "", rows: int = 1) -> None:
    (folder / f"{name}.py").write_text(FAKE.replace("ROWS", str(rows)) + then)


def drive(scripts: Path, *flags: str, least_s: float = 0.1) -> tuple[int, str, dict]:
    """Run the driver over the scripts in a folder: exit status, table with the line above it, ``results.json``."""
    code = DRIVER.format(folder=str(FOLDER), scripts=str(scripts), least_s=least_s)
    out = scripts / "out"
    command = [sys.executable, "-c", code, "--device", "cpu", "--quick", "--out", str(out), *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not ended.stderr
    return ended.returncode, ended.stdout.partition("\n\n")[2], json.loads((out / "results.json").read_text())


def load(name: str) -> ModuleType:
    """A module of the benchmark that imports nothing else of it."""
    spec = importlib.util.spec_from_file_location(f"gpu_benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_stages_passed_is_exit_status_zero_and_one_table(tmp_path: Path) -> None:
    stage(tmp_path, "a")
    stage(tmp_path, "b", rows=100)
    code, table, results = drive(tmp_path)
    assert code == 0
    lines = table.splitlines()
    assert lines[0].startswith("no GPU, ")
    assert "a passed (" in lines[0]
    assert lines[1:4] == ["", "| stage | what | found |", "| --- | --- | --- |"]
    assert "| a | device cpu | speed 1.5 |" in lines
    assert len(lines) == 60
    assert "45 more rows in results.json" in table
    assert [len(one["rows"]) for one in results["stages"]] == [1, 100]
    assert results["machine"]["card"] == "no GPU"


def test_a_stage_that_fails_leaves_its_rows_and_the_next_one_runs(tmp_path: Path) -> None:
    stage(tmp_path, "a", "sys.exit('it broke')")
    stage(tmp_path, "b")
    code, table, results = drive(tmp_path)
    assert code == 1
    assert [one["status"] for one in results["stages"]] == ["failed: exit status 1", "passed"]
    assert len(results["stages"][0]["rows"]) == 1
    assert "a failed: exit status 1 (" in table
    assert "it broke" in (tmp_path / "out/a.log").read_text()


def test_a_stage_over_its_limit_ends_with_its_children_and_the_time_is_shared(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    child = f"import time; time.sleep(3); open({str(marker)!r}, 'w')"
    stage(tmp_path, "a", f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)")
    stage(tmp_path, "b")
    code, _, results = drive(tmp_path, "--limit-s", "5")
    assert code == 1
    assert [one["status"] for one in results["stages"]] == ["stopped after its 2 s", "passed"]
    assert results["stages"][0]["limit_s"] == pytest.approx(2.5, abs=0.2)
    assert len(results["stages"][0]["rows"]) == 1
    time.sleep(3)
    assert not marker.exists()


def test_a_stage_without_time_is_skipped_and_that_is_no_success(tmp_path: Path) -> None:
    stage(tmp_path, "a")
    code, table, results = drive(tmp_path, "--limit-s", "5", least_s=10)
    assert code == 1
    assert results["stages"][0]["status"].startswith("skipped: ")
    assert "a skipped: " in table


def test_time_in_a_trace_is_counted_once() -> None:
    timeline = load("timeline")
    events = [
        {"name": "outer", "ts": 0, "dur": 10, "pid": 1, "tid": 1},
        {"name": "inner", "ts": 2, "dur": 3, "pid": 1, "tid": 1},
        {"name": "void at::native::(anonymous namespace)::outer(int)", "ts": 5, "dur": 10, "pid": 1, "tid": 2},
        {"name": "inner", "ts": 20, "dur": 5, "pid": 1, "tid": 1},
    ]
    assert timeline.busy_us(events) == 20
    spent, count = timeline.own_us(events)
    assert spent == {"outer": 17, "inner": 8}
    assert count == {"outer": 2, "inner": 2}


def test_the_kit_holds_only_what_the_machine_lacks() -> None:
    """``kit.required`` refuses what is listed twice or has no version."""
    code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import kit; print(*sum(kit.required('bench'), []))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition("==")[0] for name in listed} > {"f5-tts", "einx", "msgspec", "pytest-asyncio"}
