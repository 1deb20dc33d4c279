"""Stage f5: Voxgate's engine beside ``f5_tts.api.F5TTS.infer``, on the same random weights and reference.

The two sides are processes that take turns. The official side serves one request after another, so with several clients
its latency is mostly theirs in the queue; each of them asks it once.

The roofline: what the transformer's products need at the card's dense peak for the engine's dtype, as a share of the
time it took. Counted are, for each evaluation and both rows of guidance, the layers' products, attention, the
positional convolutions and the projections in and out, over all frames including the reference's. Text embedding,
vocoder and elementwise work are not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import cards
import weights
from engines import CPU, GPU, Process, SideEnded, Workload, percentile, reference_clip
from report import Report

CONV_TAPS, CONV_GROUPS, MELS, FRAMES_PER_S = 31, 16, 100, 93.75


@dataclass(frozen=True)
class Plan:
    """One measurement plan.

    :param texts: by what the table calls them; the last one is streamed too.
    :param clients: how many requests are outstanding, and requests for each client of a run.
    """

    workload: Workload
    texts: dict[str, str]
    clients: dict[int, int]
    rounds: int


TEN_SECONDS = "Nobody expected the old lighthouse to speak again, but on a quiet evening in March it really did."
FULL = Plan(GPU, {"3 s": "Hello there, and good morning.", "10 s": TEN_SECONDS}, {1: 4, 8: 2, 32: 1}, 3)
QUICK = Plan(CPU, {"1 s": "Hello to you.", "2 s": "Hello to you, and good morning."}, {1: 1, 2: 1}, 1)


@dataclass(frozen=True)
class Cost:
    """Cost of one evaluation of the network for one request: floating-point operations and bytes of weights."""

    flops: float
    weight_bytes: float


def cost(architecture: dict[str, Any], frames: float, dtype_bytes: int) -> Cost:
    """Count an evaluation with guidance, so of two rows of ``frames``."""
    dim, depth = architecture["dim"], architecture["depth"]
    inner = architecture["heads"] * architecture.get("dim_head", 64)
    layer = 4 * dim * inner + 2 * dim * int(dim * architecture["ff_mult"])
    fixed = 2 * CONV_TAPS * dim * dim // CONV_GROUPS + 2 * MELS * dim
    products = depth * (layer + 2 * frames * inner) + fixed  # multiplications and additions for each frame
    return Cost(2 * 2 * frames * products, dtype_bytes * (depth * layer + fixed))


def all_frames(plan: Plan, text: str, audio_s: float) -> float:
    """Frames of a request including its reference, which takes as long for each byte of its text as the speech does."""
    prompt_bytes = len(plan.workload.reference_text.encode()) + 1
    return audio_s * FRAMES_PER_S * (1 + prompt_bytes / len(text.encode()))


def spread(results: list[dict[str, Any]], key: str = "latencies_s") -> tuple[float, float]:
    """The median and the 95th percentile over all requests of all rounds, in ms."""
    times = sorted(1000 * value for result in results for value in result[key])
    return statistics.median(times), percentile(times, 95)


def audio_per_s(results: list[dict[str, Any]]) -> float:
    return statistics.median(result["audio_s"] / result["wall_s"] for result in results)


class Stage:
    """The measurements, with ``official`` None from the moment its process is gone."""

    def __init__(self, plan: Plan, report: Report, card: cards.Card, architecture: dict[str, Any], flags: list[str]):
        self.plan, self.report, self.card, self.architecture = plan, report, card, architecture
        self.failed = False
        self.official: Process | None = Process("official", flags)  # its imports take the longest
        self.ours = Process("voxgate", flags).wait()
        try:
            self.official.wait()
        except SideEnded as error:
            self._lose_official(error)
        values: dict[str, Any] = {"s": self.ours.ready_s}
        if self.official is not None:
            values |= {"official s": self.official.ready_s, "ratio": self.official.ready_s / self.ours.ready_s}
            report.note(f"The sides: {self.ours.name}; {self.official.name}.")
        report.row("start to ready, both at once", **values)
        self.dtype = self.ours.name.rsplit(" ", 1)[-1]

    def _lose_official(self, error: BaseException) -> None:
        """Note that the official side ended; the engine's measurements go on."""
        self.report.note(f"No more of the official side: {error}")
        self.official, self.failed = None, True

    def _ask_official(self, *command: Any) -> list[dict[str, Any]]:
        """Run a command on the official side, where there still is one."""
        if self.official is None:
            return []
        try:
            return [self.official.run(*command)]
        except (SideEnded, BrokenPipeError) as error:
            self._lose_official(error)
            return []

    def warm_up(self) -> None:
        """Have libraries pick their kernels, for each text and number of clients."""
        for text in self.plan.texts.values():
            for clients in self.plan.clients:
                self.ours.run(text, 2, clients, clients)
            self._ask_official(text, 2)

    def speak(self, nfe: int, label: str, clients: int) -> None:
        """Measure latency and throughput of whole requests."""
        plan, text = self.plan, self.plan.texts[label]
        requests = clients * plan.clients[clients]
        ours: list[dict[str, Any]] = []
        theirs: list[dict[str, Any]] = []
        for _ in range(plan.rounds):
            ours.append(self.ours.run(text, nfe, clients, requests))
            if clients == 1:
                theirs += self._ask_official(text, nfe, 1, 2)
        if clients > 1:
            theirs = self._ask_official(text, nfe, clients, clients)
        p50, p95 = spread(ours)
        audio_s = ours[0]["audio_s"] / requests
        rate = audio_per_s(ours)
        bound = cost(self.architecture, all_frames(plan, text, audio_s), 4 if self.dtype == "float32" else 2)
        share = nfe * bound.flops * rate / audio_s / (self.card.tflops[self.dtype] * 1e12)
        values: dict[str, Any] = {"p50 ms": p50, "p95 ms": p95, "RTF": p50 / 1000 / audio_s, "audio s/s": rate}
        values["roofline %"] = 100 * share
        if clients == 1:  # with more of them the weights are read once for all
            values["memory %"] = 100 * nfe * bound.weight_bytes / (p50 / 1000) / (self.card.gb_s * 1e9)
        if theirs:
            values["official p50 ms"], values["official p95 ms"] = spread(theirs)
            values["official audio s/s"] = audio_per_s(theirs)
            values["ratio"] = rate / values["official audio s/s"]
        self.report.row(f"NFE {nfe}, {label}, clients {clients}", **values)

    def stream(self, nfe: int, label: str, clients: int) -> None:
        """First audio of a text that is listened to while it is made."""
        plan, text = self.plan, self.plan.texts[label]
        ours, theirs = [], []
        for _ in range(plan.rounds):
            ours.append(self.ours.run(text, nfe, clients, clients, True))
            if clients == 1:
                theirs += self._ask_official(text, nfe, 1, 1, True)
        p50, p95 = spread(ours, "first_s")
        values: dict[str, Any] = {"first p50 ms": p50, "first p95 ms": p95}
        if theirs:
            first = spread(theirs, "first_s")[0]
            values |= {"official first ms": first, "ratio": first / p50}
        self.report.row(f"NFE {nfe}, {label} streamed, clients {clients}", **values)

    def run(self) -> None:
        """Measure everything, what matters most first."""
        self.warm_up()
        for clients in self.plan.clients:
            for nfe in (7, 16):
                for label in self.plan.texts:
                    self.speak(nfe, label, clients)
                self.stream(nfe, label, clients)
        for side in (self.ours, self.official):
            if side is not None:
                peaks = ", ".join(f"{kind} {mb:.0f} MB" for kind, mb in side.peak_mb.items())
                self.report.note(f"Peak memory of {side.name}: {peaks}.")
                side.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true", help="tiny models and one request for each client")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    from support.f5.synthetic import architecture

    os.environ.setdefault("BENCHMARK_VERBOSE", "1")  # what a side says goes into this stage's log
    plan = QUICK if arguments.quick else FULL
    report = Report("f5", arguments.out)
    card = cards.card_of(arguments.device)
    block = weights.f5(arguments.quick, arguments.device)
    with tempfile.TemporaryDirectory() as name:
        options = {
            **block,
            "reference": reference_clip(Path(name), plan.workload),
            "reference_text": plan.workload.reference_text,
            "device": arguments.device,
            "dtype": "auto",
        }
        shape = architecture("tiny" if arguments.quick else block["architecture"])
        if arguments.quick:  # threads wait for each other longer than tiny models take
            options["threads"] = 1
        stage = Stage(plan, report, card, shape, [f"--{key}={value}" for key, value in options.items()])
        peak = card.tflops[stage.dtype]
        report.note(
            f"f5-tts's own clip is the reference. Roofline: {peak:.3g} TFLOP/s of dense {stage.dtype} ({card.source}); "
            f"memory: the transformer's weights read once for each evaluation, at {card.gb_s:.0f} GB/s."
        )
        stage.run()
    if stage.failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
