"""The capacity benchmark: its formulas on known cases, and step times read from a GPU run's results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# In a process of its own: modules of the benchmarks have names that would hide others.
FORMULAS = """
import json, sys
sys.path.insert(0, "benchmarks/gpu")
sys.path.insert(0, "benchmarks")
import capacity as c
from f5 import cost
from support.f5.synthetic import architecture
peak = c.Peak(989, 67, 3350)
frames = [c.MEL_FRAMES_PER_S * s for s in (8.0, 10.0)]
shape = architecture("F5TTS_v1_Base")
fish = c.fish_engine(peak, "low")
print(json.dumps({
    "flops": [sum(map(c.f5_flops, frames)), sum(cost(shape, f, 2).flops for f in frames), c.f5_request(8.0)[0]],
    "steps": [[c.f5_engine(peak, case).step_s(n) for n in (1, 16)] for case in ("low", "high")],
    "fish": [fish.step_s(n) for n in (1, 16)],
}))
"""


def run(*arguments: str) -> str:
    root = BENCHMARKS.parent
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={"PYTHONPATH": f"{root}:{root}/tests", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_derived_step_times_follow_from_work_and_peaks() -> None:
    found = json.loads(run("-c", FORMULAS))
    ours, gpu_benchmarks, request = found["flops"]
    assert ours == pytest.approx(gpu_benchmarks)
    assert request == pytest.approx(ours)  # chunks of 3 s and 5 s, each with a reference of 5 s
    (low_one, low_full), (high_one, high_full) = found["steps"]
    assert low_one == pytest.approx(1.1 / 16)  # launches, not arithmetic
    assert low_full > low_one
    assert high_full == pytest.approx(16 * high_one)
    assert high_one < low_one
    one, sixteen = found["fish"]
    assert one < sixteen < 16 * one  # the weights are read once for all


def test_step_times_of_a_gpu_run_give_the_listeners_of_its_card(tmp_path: Path) -> None:
    rows = [
        ("NFE 7, 10 s, clients 1", {"p50 ms": 140.0}),
        ("NFE 7, 10 s, clients 8", {"p50 ms": 700.0}),
        ("NFE 16, 10 s, clients 1", {"p50 ms": 9e9}),
        ("bfloat16, graphs, slots 1", {"step ms": 5.0, "prompt ms": 20.0}),
        ("bfloat16, graphs, slots 16", {"step ms": 9.0, "prompt ms": 30.0}),
        ("bfloat16, eager, slots 16", {"step ms": 9e9, "prompt ms": 9e9}),
        ("int8, graphs, slots 1", {"step ms": 9e9, "prompt ms": 9e9}),
        ("codec, 10 s of audio, jobs 1", {"decode ms per s": 4.0}),
    ]
    stages = [{"rows": [{"what": what, "values": values} for what, values in rows]}, {"stage": "smoke"}]
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"stages": stages}))
    printed = run("benchmarks/capacity.py", "--measured", str(path), "--target-s", "0.7").splitlines()
    counts = {line.split(":")[0]: int(line.split()[1]) for line in printed}
    assert sorted(counts) == ["f5", "fish"]
    assert 5 < counts["f5"] < 8 / 0.7 * 8  # below what eight at once would reach
    assert 5 < counts["fish"] < 16 / (0.009 * 21.53)
