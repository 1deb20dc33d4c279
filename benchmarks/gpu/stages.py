"""Run the stages of the GPU benchmark one after another, each under a time limit, and print one table.

    python benchmarks/gpu/stages.py [--device cpu --quick] [--stage NAME]... [--out FOLDER]

The folder receives one log for each stage and ``results.json``, which is complete after every stage. Exit status 1: a
stage did not pass.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from machine import describe
from table import render

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIMIT_S = 480.0
LEAST_S = 10.0  # less than this is not worth a start
KILL_AFTER_S = 5.0
SHOWN_LINES = 15


@dataclass(frozen=True)
class Stage:
    """A script beside this one.

    :param share: its part of the time; what a stage does not use goes to those after it.
    """

    name: str
    script: Path
    share: float


STAGES = (
    Stage("smoke", HERE / "smoke.py", 95),
    Stage("tests", HERE / "suite.py", 95),
    Stage("f5", HERE / "f5.py", 140),
    Stage("fish", HERE / "fish.py", 95),
    Stage("profile", HERE / "kernels.py", 55),
)


@dataclass
class Outcome:
    """Outcome of a stage; ``status`` is ``passed`` or the reason of the failure."""

    name: str
    status: str
    seconds: float = 0.0
    limit_s: float = 0.0
    rows: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.status == "passed"


def run_all(stages: Sequence[Stage], flags: list[str], out: Path, limit_s: float, machine: dict) -> list[Outcome]:
    """Run stages within ``limit_s`` seconds in all, writing ``results.json`` after each."""
    ends_at = time.monotonic() + limit_s
    outcomes: list[Outcome] = []
    for index, stage in enumerate(stages):
        left_s = ends_at - time.monotonic()
        stage_s = left_s * stage.share / sum(later.share for later in stages[index:])
        if stage_s < LEAST_S:
            outcomes.append(Outcome(stage.name, f"skipped: {max(left_s, 0):.0f} s left"))
        else:
            print(f"== {stage.name}: at most {stage_s:.0f} s", flush=True)
            outcomes.append(run_stage(stage, flags, out, stage_s))
            print(f"== {stage.name}: {outcomes[-1].status}, {outcomes[-1].seconds:.1f} s", flush=True)
        results = {"machine": machine, "stages": [asdict(outcome) for outcome in outcomes]}
        (out / "results.json").write_text(json.dumps(results, indent=1))
    return outcomes


def run_stage(stage: Stage, flags: list[str], out: Path, limit_s: float) -> Outcome:
    """Run one stage in a process group of its own, which ends with it."""
    log = out / f"{stage.name}.log"
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, log.open("wb") as output:
        found = Path(folder) / "stage.json"
        process = subprocess.Popen(
            [sys.executable, "-u", str(stage.script), *flags, "--out", str(found)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit_s)
            status = "passed" if code == 0 else f"failed: exit status {code}"
        except subprocess.TimeoutExpired:
            status = f"stopped after its {limit_s:.0f} s"
        finally:
            end_group(process)
        outcome = Outcome(stage.name, status, time.monotonic() - began_at, limit_s)
        if found.exists():
            content = json.loads(found.read_text())
            outcome.rows, outcome.notes = content["rows"], content["notes"]
    if not outcome.passed:
        print("\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]), flush=True)
    return outcome


def end_group(process: subprocess.Popen) -> None:
    """End a stage and every process it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [stage.name for stage in STAGES]
    parser.add_argument("--stage", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--device", default="cuda:0", help="cuda:0 or cpu (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny models and few runs, for a rehearsal")
    parser.add_argument("--out", type=Path, default=ROOT / "gpu-results", help="default: %(default)s")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="for all stages together (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    flags = ["--device", arguments.device, *(["--quick"] if arguments.quick else [])]
    machine = describe(arguments.device)
    for name, value in machine.items():
        print(f"{name}: {value}", flush=True)
    chosen = [stage for stage in STAGES if stage.name in (arguments.stage or names)]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["VOXGATE_BENCH_CACHE"] = cache  # weights are made once for all stages
        outcomes = run_all(chosen, flags, arguments.out, arguments.limit_s, machine)
    print()
    print(render(machine, [asdict(outcome) for outcome in outcomes]))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
