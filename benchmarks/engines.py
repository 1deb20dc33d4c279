"""Compare an engine with the official code that it replaces, on the same weights, in one run.

Each side runs in a process of its own. They take turns, so that drift of the machine's speed affects both equally.
Without ``--checkpoint``, weights are random in the official layout; the speed of a model does not depend on them.

    python benchmarks/engines.py f5 [--architecture F5TTS_v1_Base --checkpoint FILE --vocoder FOLDER] [--device cuda:0]
    python benchmarks/engines.py fish [--official CHECKOUT] [--device cuda:0]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import soundfile

HERE = Path(__file__).parent
OPENMP_ENV = {"GOMP_SPINCOUNT": "3000"}  # the gateway's setting for workers; both sides get it
sys.path.insert(0, str(HERE.parent / "tests"))  # the synthetic checkpoints are those of the tests

SENTENCE = "Nobody expected the old lighthouse to speak again, but on a quiet evening in March it did, and we listened."
PARAGRAPH = " ".join([SENTENCE, "It told us about the ships it had seen, one by one, and about the storms."] * 3)


@dataclass(frozen=True)
class Workload:
    """Workload of a comparison. That of a CPU is small; otherwise a run would take an hour.

    :param reference_s: part of the shipped clip to use, as (start, end), or None for the whole clip.
    :param requests_each: requests per client and run.
    """

    text: str
    long_text: str
    reference_s: tuple[float, float] | None
    reference_text: str
    rounds: int
    requests_each: int
    crowd_nfe: tuple[int, ...]


GPU = Workload(SENTENCE, PARAGRAPH, None, "Some call me nature, others call me mother nature.", 5, 4, (16, 7))
CPU = Workload(
    text="Hello to you all.",
    long_text="Hello to you all, and good morning. Nobody expected it.",
    reference_s=(0.38, 2.1),
    reference_text="Some call me nature.",
    rounds=1,
    requests_each=1,
    crowd_nfe=(7,),
)
CONCURRENCY = (1, 4, 16)


class SideEnded(SystemExit):
    """A side's process has exited; the reason is on its standard error."""


class Process:
    """A side in its own process. ``wait`` sets ``ready_s``, the time from its start to a loaded model."""

    def __init__(self, side: str, arguments: list[str]):
        self._began_at = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "f5_side.py"), side, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("BENCHMARK_VERBOSE") else None,
            text=True,
            # All files are given by path. In offline mode, an attempt to fetch one fails at once.
            env={**OPENMP_ENV, **os.environ, "HF_HUB_OFFLINE": "1"},
        )
        self.name = side
        self.peak_mb: dict[str, float] = {}

    def wait(self) -> Process:
        """Wait for the model to be loaded."""
        self.name = self._answer()["ready"]
        self.ready_s = time.perf_counter() - self._began_at
        return self

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SideEnded(f"{self.name} ended; see why with BENCHMARK_VERBOSE=1")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self, text: str, nfe: int, concurrency: int = 1, requests: int = 1, stream: bool = False) -> dict[str, Any]:
        command = {"text": text, "nfe": nfe, "concurrency": concurrency, "requests": requests, "stream": stream}
        assert self._process.stdin is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        answer = self._answer()
        self.peak_mb = answer["peak_mb"]
        return answer

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def percentile(ascending: list[float], percent: float) -> float:
    return ascending[min(len(ascending) - 1, round(percent / 100 * (len(ascending) - 1)))]


class Table:
    """Markdown table that prints each row at once."""

    def __init__(self, names: list[str]):
        print("| what | NFE | concurrency |", *(f" {name} |" for name in names), " ratio |", sep="")
        print("| --- " * (len(names) + 4) + "|", flush=True)

    @staticmethod
    def row(what: str, nfe: object, concurrency: object, ours: float, theirs: float, higher_is_better: bool) -> None:
        ratio = ours / theirs if higher_is_better else theirs / ours
        print(f"| {what} | {nfe} | {concurrency} | {ours:.3g} | {theirs:.3g} | **{ratio:.2f}×** |", flush=True)


def compare(sides: dict[str, Process], workload: Workload) -> None:
    table = Table([f"{side}: {process.name}" for side, process in sides.items()])
    ours, theirs = sides.values()
    table.row("start to ready, s", "", "", ours.ready_s, theirs.ready_s, higher_is_better=False)

    @cache  # the run with one client serves for both measurements if both have one request
    def measure(**command: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        results: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        for _ in range(workload.rounds):
            for process, into in zip(sides.values(), results, strict=True):
                into.append(process.run(**command))
        return results

    def show(what: str, results: tuple[list, list], of: Any, command: dict[str, Any], up: bool) -> None:
        values = [statistics.median(of(result) for result in side) for side in results]
        table.row(what, command["nfe"], command["concurrency"], *values, higher_is_better=up)

    for process in sides.values():
        process.run(workload.text, nfe=1)  # warm-up: prepares the reference and selects kernels
    for nfe in (16, 7):
        command = {"text": workload.text, "nfe": nfe, "concurrency": 1}
        results = measure(**command, requests=1)
        show("latency, s", results, lambda r: r["wall_s"], command, up=False)
        show("real-time factor", results, lambda r: r["wall_s"] / r["audio_s"], command, up=False)
    command = {"text": workload.long_text, "nfe": 7, "concurrency": 1, "requests": 1}
    streamed = measure(**command, stream=True)
    show("first audio of a longer text, s", streamed, lambda r: r["first_s"][0], command, up=False)
    for nfe in workload.crowd_nfe:
        for concurrency in CONCURRENCY:
            command = {"text": workload.text, "nfe": nfe, "concurrency": concurrency}
            results = measure(**command, requests=concurrency * workload.requests_each)
            show("audio per second, s", results, lambda r: r["audio_s"] / r["wall_s"], command, up=True)
            show("p95 latency, s", results, lambda r: percentile(r["latencies_s"], 95), command, up=False)
    for kind in ours.peak_mb:
        peaks = [process.peak_mb.get(kind, float("nan")) for process in sides.values()]
        table.row(f"peak memory ({kind}), MB", "", "", peaks[0], peaks[1], higher_is_better=False)


def reference_clip(folder: Path, workload: Workload) -> Path:
    """Write the workload's part of the clip that f5-tts ships."""
    audio, rate_hz = soundfile.read(str(files("f5_tts").joinpath("infer/examples/basic/basic_ref_en.wav")))
    if workload.reference_s:
        start_s, end_s = workload.reference_s
        audio = audio[int(start_s * rate_hz) : int(end_s * rate_hz)]
    path = folder / "reference.wav"
    soundfile.write(path, audio, rate_hz, subtype="PCM_16")
    return path


def hardware(device: str) -> str:
    import torch
    from serve import cpu

    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, {cpu()}, {os.cpu_count()} cores"
    return f"{cpu()}, {os.cpu_count()} cores"


def pick(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    return device


def fish(arguments: argparse.Namespace) -> None:
    import fish_speed

    arguments.device = pick(arguments.device)
    fish_speed.run(arguments, hardware(arguments.device))


def f5(arguments: argparse.Namespace) -> None:
    import torch
    from support.f5.synthetic import write_checkpoint, write_vocoder

    device = pick(arguments.device)
    workload = GPU if device.startswith("cuda") else CPU
    workload = replace(workload, rounds=arguments.rounds or workload.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {
            "checkpoint": arguments.checkpoint or write_checkpoint(folder, arguments.architecture),
            "vocoder": arguments.vocoder or write_vocoder(folder / "vocoder", dim=512, layers=8),
            "architecture": arguments.architecture,
            "reference": reference_clip(folder, workload),
            "reference_text": workload.reference_text,
            "device": device,
            "dtype": arguments.dtype,
        }
        flags = [f"--{key}={value}" for key, value in options.items()]
        if arguments.threads:
            flags.append(f"--threads={arguments.threads}")
        if arguments.official_threads:
            flags.append("--official_threads")
        weights = arguments.checkpoint or f"random {arguments.architecture}"
        busy = f"load average {os.getloadavg()[0]:.1f} before the start"  # figures of a busy machine mean little
        print(f"{hardware(device)}, {busy}; Python {platform.python_version()}, torch {torch.__version__}")
        print(
            f"Weights: {weights}. Text of {len(workload.text)} characters (first audio: {len(workload.long_text)}), "
            f"reference text {workload.reference_text!r}; {workload.requests_each} request(s) for each client, "
            f"medians of {workload.rounds} run(s). Ratio: how many times better Voxgate is.\n"
        )
        for side in ("official", "voxgate"):
            Process(side, flags).wait().stop()  # warms the disk cache for the starts below
        sides = {name: Process(side, flags).wait() for name, side in (("Voxgate", "voxgate"), ("official", "official"))}
        compare(sides, workload)
        for process in sides.values():
            process.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    engines = parser.add_subparsers(required=True)
    of_f5 = engines.add_parser("f5", help="beside f5_tts.api.F5TTS")
    of_f5.add_argument("--architecture", default="F5TTS_v1_Small", help="a preset of f5-tts (default: %(default)s)")
    of_f5.add_argument("--checkpoint", help="a local file (default: random weights)")
    of_f5.add_argument("--vocoder", help="a local folder (default: random weights)")
    of_f5.add_argument("--device", default="auto")
    of_f5.add_argument("--dtype", default="auto", help="Voxgate's; the official code decides for itself")
    of_f5.add_argument("--threads", type=int, help="CPU threads of each side (default: torch's choice)")
    of_f5.add_argument(
        "--rounds", type=int, help="runs of each measurement, whose median is shown (default: 5; CPU: 1)"
    )
    of_f5.add_argument(
        "--official-threads", action="store_true", help="official side: a thread for each client, not one after another"
    )
    of_f5.set_defaults(run=f5)
    of_fish = engines.add_parser("fish", help="beside what the memory allows, and the classic code")
    of_fish.add_argument("--official", help="a checkout of Fish-Speech v0.2.0")
    of_fish.add_argument("--kinds", default="float32,bfloat16,int8", help="kinds of weights (default: %(default)s)")
    of_fish.add_argument("--device", default="auto")
    of_fish.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    of_fish.add_argument("--frames", type=int, default=60, help="frames of each sequence (default: %(default)s)")
    of_fish.add_argument("--rounds", type=int, default=3, help="runs of each measurement (default: %(default)s)")
    of_fish.set_defaults(run=fish)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
