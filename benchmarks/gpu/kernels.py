"""Stage 5: where the time of one request goes: the dearest kernels, and how much of it the GPU idles.

The profiler slows down the host, so the time a request takes is measured without it; with it, the time the GPU was
busy. The rest of the wall time is idle. On a CPU operators stand in the place of kernels.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import traceback
from pathlib import Path

import speech
import torch
from report import Report
from timeline import Events, busy_us, own_us
from torch.profiler import ProfilerActivity, profile

from backends.base import Engine, Job

ENGINES = ("f5", "fish")
DEAREST = 15
ROUNDS = 3
FRAMES = {False: 128, True: 16}
CATEGORIES = {"cuda": {"kernel", "gpu_memcpy", "gpu_memset"}, "cpu": {"cpu_op"}}


def record(engine: Engine, job: Job, kind: str) -> Events:
    """Return what the device did for a job."""
    activities = [ProfilerActivity.CUDA] if kind == "cuda" else [ProfilerActivity.CPU]
    with profile(activities=activities) as profiler:
        speech.speak(engine, job)
        if kind == "cuda":
            torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        content = json.loads(path.read_text())
    return [event for event in content["traceEvents"] if event.get("cat") in CATEGORIES[kind] and "dur" in event]


def measure(report: Report, name: str, device: str, quick: bool) -> list[str]:
    """Profile one request, report it, and return its dearest kernels, each with its part of the busy time."""
    kind = torch.device(device).type
    engine = speech.build(name, device, quick).load()
    loaded = engine.capabilities.model
    job = speech.job(name, quick, FRAMES[quick])
    speech.speak(engine, job)  # kernels are picked, the reference is prepared
    times = [speech.speak(engine, job)[job.id].wall_s for _ in range(1 if quick else ROUNDS)]
    began_at = time.perf_counter()
    events = record(engine, job, kind)
    profiled_s = time.perf_counter() - began_at
    engine.close()
    if not events:
        raise RuntimeError(f"the profiler saw nothing on {device}")
    wall_s, busy_s = statistics.median(times), busy_us(events) / 1e6
    idle = {"idle %": max(0.0, 100 * (1 - busy_s / wall_s))} if kind == "cuda" else {}
    spent, count = own_us(events)
    values = {"request ms": 1000 * wall_s, "busy ms": 1000 * busy_s, **idle, "launches": sum(count.values())}
    report.row(f"{loaded}: one request", **values, **{"with profiler ms": 1000 * profiled_s})
    everything = sum(spent.values())
    dearest = [
        f"{100 * took / everything:.1f} % {kernel} ×{count[kernel]}" for kernel, took in spent.most_common(DEAREST)
    ]
    print("\n".join(dearest), flush=True)
    return dearest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    report = Report("profile", arguments.out)
    dearest: dict[str, list[str]] = {}
    for name in ENGINES:
        try:
            dearest[name] = measure(report, name, arguments.device, arguments.quick)
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
            report.row(name, failed=f"{type(error).__name__}: {error}")
    for place in range(DEAREST):  # side by side, as the table of a run has few lines
        values = {name: kernels[place] for name, kernels in dearest.items() if place < len(kernels)}
        report.row(f"dearest {place + 1}", **values)
    return int(len(dearest) < len(ENGINES))


if __name__ == "__main__":
    sys.exit(main())
