"""Stage fish: Fish-Speech 0.2's 400M language model and its codec, alone and as the engine speaks with them.

Decoding reads all weights, and the keys and values of every sequence, once for each frame: their bytes over the time it
took are the share of the memory's bandwidth. First audio is that of the whole engine: all slots get a streamed job
at once, with a reference whose codes are known.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

sys.path.append(str(Path(__file__).resolve().parents[1]))

import cards
import weights
from engines import SENTENCE, percentile
from fish_speed import FRAMES_PER_S, PROMPT_FRAMES, PROMPT_TEXT_IDS, RATE_HZ, Voxgate
from report import Report

from backends.base import AudioChunk, DecodeJob, EncodeJob, Engine, EngineConfig, Failed, Finished, Job, Reference
from backends.fish.plugin import FishPlugin

MAX_TOKENS = 512  # of the engine's sequences: a sentence, its voice and some seconds of speech
TRANSCRIPT = "Some call me nature, others call me mother nature."


@dataclass(frozen=True)
class Plan:
    """One measurement plan.

    :param frames: of each sequence, in each of some rounds.
    :param codec_s: how long a sound is that the codec converts, and ``codec_jobs`` how many of them at once.
    """

    slots: tuple[int, ...]
    frames: int
    rounds: int
    codec_s: float
    codec_jobs: tuple[int, ...]


FULL = Plan((1, 16, 64), 100, 3, 10.0, (1, 16))
QUICK = Plan((1, 2), 26, 1, 1.0, (1, 2))


class Stage:
    """The measurements; one that fails is noted, and the others are made all the same."""

    def __init__(self, plan: Plan, device: str, block: dict[str, Any], report: Report):
        self.plan, self.device, self.block, self.report = plan, device, block, report
        self.card = cards.card_of(device)
        self.failed = False

    def attempt(self, what: str, measure: Callable[[], None]) -> None:
        """Measure, and free the memory it took."""
        import torch

        try:
            with torch.inference_mode():
                measure()
        except Exception as error:
            traceback.print_exc()
            self.report.note(f"{what} failed: {type(error).__name__}: {error}")
            self.failed = True
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def run(self) -> None:
        """Measure everything, what matters most first."""
        self.attempt("the language model", self._language_model)
        for slots in self.plan.slots:
            self.attempt(f"speaking in {slots} slots", lambda slots=slots: self._speak(slots))
        self.attempt("int8", lambda: self._generate(Voxgate(self.block, self.device, "auto", "int8"), "int8", 1, True))

    def _language_model(self) -> None:
        model = Voxgate(self.block, self.device, "auto")
        for graphs in (True, False) if self.device.startswith("cuda") else (False,):
            for slots in self.plan.slots:
                what = f"{slots} slots {'graphs' if graphs else 'eager'}"
                self.attempt(what, lambda s=slots, g=graphs: self._generate(model, model.dtype, s, g))

    def _generate(self, model: Voxgate, kind: str, slots: int, graphs: bool) -> None:
        """Measure frames per second of full slots."""
        graphs = graphs and self.device.startswith("cuda")
        generator, prompt_s = model.start(slots, graphs)
        frames, rounds = self.plan.frames, self.plan.rounds
        rate = statistics.median(model.go_on(generator, frames) for _ in range(rounds))
        length = PROMPT_TEXT_IDS + PROMPT_FRAMES + 3 + frames * rounds / 2  # of a sequence, on average
        frame_bytes = model.weight_bytes / slots + length * model.token_bytes
        self.report.row(
            f"{kind}, {'graphs' if graphs else 'eager'}, slots {slots}",
            **{
                "frames/s": rate,
                "times real time": rate / FRAMES_PER_S,
                "step ms": 1000 * slots / rate,
                "memory %": 100 * rate * frame_bytes / (self.card.gb_s * 1e9),
                "prompt ms": 1000 * prompt_s,
            },
        )

    def _speak(self, slots: int) -> None:
        """Measure streamed jobs in all slots; with the first number of them the codec's own jobs too."""
        plugin = FishPlugin(
            EngineConfig(
                "fish",
                device=self.device,
                model={**self.block, "slots": slots, "max_tokens": MAX_TOKENS},
                defaults={"use_g2p": False, "max_new_tokens": self.plan.frames},
            )
        )
        began_at = time.perf_counter()
        engine = plugin.load()
        load_s = time.perf_counter() - began_at
        audio, rate_hz = clip()
        reference = Reference(audio, rate_hz, TRANSCRIPT, "benchmark")
        firsts: list[float] = []
        rates: list[float] = []
        for round_number in range(self.plan.rounds + 1):
            jobs = [
                Job(f"{round_number}-{index}", SENTENCE, seed=index, reference=reference, stream=True)
                for index in range(slots)
            ]
            first_s, audio_s, took_s = drain(engine, jobs)
            if round_number:  # the first one encodes the reference and warms up
                firsts += first_s
                rates.append(audio_s / took_s)
        self.report.row(
            f"speaking, jobs {slots}",
            **{
                "first p50 ms": 1000 * statistics.median(firsts),
                "first p95 ms": 1000 * percentile(sorted(firsts), 95),
                "audio s/s": statistics.median(rates),
                "load s": load_s,
            },
        )
        if slots == self.plan.slots[0]:
            self._convert(engine)
        engine.close()

    def _convert(self, engine: Engine) -> None:
        """Measure the codec's work for a second of audio."""
        seconds = self.plan.codec_s
        audio, rate_hz = clip()
        audio = np.resize(audio, int(seconds * rate_hz))
        codes = np.random.default_rng(2).integers(0, 160, (4, round(seconds * FRAMES_PER_S)))
        for count in self.plan.codec_jobs:
            took_s: dict[str, float] = {}
            for what, job in (
                ("decode", lambda name: DecodeJob(name, codes)),
                ("encode", lambda name: EncodeJob(name, audio, rate_hz)),
            ):
                times = [
                    drain(engine, [job(f"{what}-{number}-{index}") for index in range(count)])[2]
                    for number in range(self.plan.rounds + 1)
                ]
                took_s[what] = statistics.median(times[1:]) / (count * seconds)
            self.report.row(
                f"codec, {seconds:g} s of audio, jobs {count}",
                **{f"{what} ms per s": 1000 * value for what, value in took_s.items()},
            )


def drain(engine: Engine, jobs: Sequence[Job | EncodeJob | DecodeJob]) -> tuple[list[float], float, float]:
    """Have jobs that arrive together done; seconds to each one's first audio, of audio, and in all."""
    began_at = time.perf_counter()
    for job in jobs:
        if isinstance(job, Job):
            engine.add(job)
        else:
            engine.convert(job)
    waiting = {job.id for job in jobs}
    first_s: dict[str, float] = {}
    samples = 0
    while waiting:
        for event in engine.step():
            match event:
                case AudioChunk():
                    first_s.setdefault(event.job_id, time.perf_counter() - began_at)
                    samples += len(event.samples)
                case Finished():
                    waiting.remove(event.job_id)
                case Failed():
                    raise RuntimeError(event.message)
    return list(first_s.values()), samples / RATE_HZ, time.perf_counter() - began_at


def clip() -> tuple[np.ndarray, int]:
    """Return the clip that f5-tts ships, and its rate in Hz."""
    return soundfile.read(str(files("f5_tts").joinpath("infer/examples/basic/basic_ref_en.wav")), dtype="float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true", help="tiny models, one round")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    if arguments.quick:  # threads wait for each other longer than tiny models take
        import torch

        torch.set_num_threads(1)
    plan = QUICK if arguments.quick else FULL
    report = Report("fish", arguments.out)
    block = weights.fish(arguments.quick, arguments.device)
    stage = Stage(plan, arguments.device, block, report)
    report.note(
        f"Real time is {FRAMES_PER_S:.1f} frames/s; prompts of {PROMPT_TEXT_IDS} text ids and {PROMPT_FRAMES} frames. "
        f"Memory: weights once a step and each sequence's keys and values, at {stage.card.gb_s:.0f} GB/s "
        f"({stage.card.source})."
    )
    stage.run()
    if stage.failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
