"""Overhead of the gateway: latency and throughput with an engine that takes no time, compared with LitServe.

All servers receive the same text, synthesize the same 0.1 s of tone in a process of its own, and respond with the same
WAV file. Runs alternate between them, so that drift of the machine's speed affects all equally.

    python benchmarks/serve.py [--seconds 5] [--rounds 3] [--beside CHECKOUT]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import yaml
from load import Result, load

HERE = Path(__file__).parent
CONCURRENCY = (1, 8, 64)
BODY = {"text": "hi"}  # two characters: 0.1 s of tone


def wait_for(url: str, process: subprocess.Popen, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{url} did not come up") from None
            time.sleep(0.02)


def start_voxgate(
    folder: Path, engines: dict, default: str, port: int, checkout: Path | None = None
) -> subprocess.Popen:
    config = folder / f"{port}.yaml"
    settings = {
        "port": port,
        "default_engine": default,
        "engines": engines,
        "data_dir": str(folder),
        "logs": {"level": "warning"},
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    env = {**os.environ, "PYTHONPATH": str(checkout)} if checkout else None
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=env, cwd=checkout)
    wait_for(f"http://127.0.0.1:{port}/health/ready", process)
    return process


def start_litserve(port: int) -> subprocess.Popen:
    command = [sys.executable, str(HERE / "litserve_tone.py"), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(f"http://127.0.0.1:{port}/health", process)
    return process


def stop(process: subprocess.Popen) -> None:
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    for child in children:
        if child.is_running():
            child.kill()


def row(name: str, concurrency: int, results: list[Result]) -> str:
    def mid(values: list[float]) -> float:
        return statistics.median(values)

    p50, p99 = (mid([result.percentile_ms(percent) for result in results]) for percent in (50, 99))
    rate = mid([result.per_second for result in results])
    cpu_ms = mid([result.cpu_ms for result in results])
    return f"| {concurrency} | {name} | {p50:.2f} | {p99:.2f} | {rate:.0f} | {cpu_ms:.2f} |"


def compare(folder: Path, seconds: float, rounds: int, beside: Path | None) -> None:
    tone = {"tone": {"backend": "tone", "load": "eager", "max_active": 64}}
    voxgate = start_voxgate(folder, tone, "tone", 18080)
    litserve = start_litserve(18081)
    targets = {"Voxgate": (voxgate, 18080, "/tts"), "LitServe": (litserve, 18081, "/predict")}
    if beside:
        targets[beside.name] = (start_voxgate(folder, tone, "tone", 18083, beside), 18083, "/tts")
    print("| concurrency | server | p50 ms | p99 ms | requests/s | server CPU ms/request |")
    print("| --- | --- | --- | --- | --- | --- |")
    ratios = []
    for concurrency in CONCURRENCY:
        results: dict[str, list[Result]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (process, *target) in targets.items():
                results[name].append(asyncio.run(load(process.pid, *target, BODY, concurrency, seconds)))
        for name in targets:
            print(row(name, concurrency, results[name]), flush=True)
        ratios += [ratio(name, concurrency, results) for name in targets if name != "LitServe"]
    print("\n" + "\n".join(ratios))
    memory_mb = psutil.Process(voxgate.pid).memory_info().rss / 2**20
    print(f"Gateway process after that: {memory_mb:.0f} MB resident")
    for process, *_ in targets.values():
        stop(process)


def ratio(name: str, concurrency: int, results: dict[str, list[Result]]) -> str:
    pairs = list(zip(results[name], results["LitServe"], strict=True))
    throughput = statistics.median(ours.per_second / theirs.per_second for ours, theirs in pairs)
    cpu = sorted(ours.cpu_ms / theirs.cpu_ms for ours, theirs in pairs)
    spread = f"{statistics.median(cpu):.2f} ({cpu[0]:.2f}–{cpu[-1]:.2f})"
    return f"{name} / LitServe at {concurrency}: throughput {throughput:.2f}, CPU per request {spread}"


def start_up(folder: Path, rounds: int) -> None:
    """Measure the time from ``voxgate serve`` to a loaded lite engine."""
    times, memory = [], []
    for _ in range(rounds):
        began_at = time.monotonic()
        process = start_voxgate(folder, {"lite": {"backend": "lite", "load": "eager", "threads": 1}}, "lite", 18082)
        times.append(time.monotonic() - began_at)
        memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
        stop(process)
    print(f"\n`voxgate serve` to ready with lite: {statistics.median(times):.2f} s", end=" ")
    print(f"({min(times):.2f}–{max(times):.2f}), gateway process {statistics.median(memory):.0f} MB resident")


def cpu() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if os.name == "posix" else []
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs per server and concurrency; medians are shown")
    parser.add_argument("--beside", type=Path, help="another Voxgate checkout to measure in the same alternation")
    arguments = parser.parse_args()
    print(f"{cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}; client on the same machine")
    print(f"{arguments.rounds} runs of {arguments.seconds:g} s each after 1 s of warm-up, medians\n")
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.seconds, arguments.rounds, arguments.beside)
        start_up(Path(folder), arguments.rounds)


if __name__ == "__main__":
    main()
