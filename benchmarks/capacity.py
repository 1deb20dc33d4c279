"""Capacity: how many listeners one GPU serves at a given 95th percentile of first audio, by ``step_server``.

    python benchmarks/capacity.py [--target-s 1.0] [--nfe 7]          cards without a measurement: derived step times
    python benchmarks/capacity.py --measured gpu-results/results.json  the card that benchmarks/gpu/run.sh measured
    python benchmarks/capacity.py --plot docs/img/capacity.png         both figures of docs/capacity.md

Derived step times are work (floating-point operations, bytes) divided by a data sheet's peak and by the share of it
that published systems reached. ``docs/capacity.md`` has the sources and the assumptions.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from step_server import Engine, Request, line, streams

HERE = Path(__file__).parent
CARDS = ("T4", "L4", "A10G", "H100")

# The workload: streamed requests of 4 to 12 s of speech with a voice of 5 s, which is cached.
SPEECH_S, SPREAD = 8.0, 0.5
REFERENCE_S = 5.0

# F5TTS_v1_Base
FIRST_CHUNK_S = 3.0  # backends/f5/utterance.py; the rest of the speech is a second chunk
MEL_FRAMES_PER_S = 93.75
F5_MAX_FRAMES, F5_MAX_JOBS = 32768, 32

# Fish-Speech 0.2's 400M language model in 16 bit, and its codec
CODE_FRAMES_PER_S = 21.53
LM_BYTES, LM_PARAMETERS, TOKEN_BYTES = 0.69e9, 384e6, 24 * 2 * 1024 * 2
PROMPT_TOKENS = 210
FIRST_CODES = 23  # the first window of 4 frames, and 19 that the decoder looks ahead
CODEC_FLOPS = 2.48e9  # of a code frame, by the shapes of its convolutions
FISH_SLOTS = 16

# Published figures. L20: F5 at 16 evaluations, real-time factors of F5-TTS's runtime/triton_trtllm/README.md.
L20_TFLOPS, L20_NFE = 119.5, 16
L20_RTF = {"low": 0.1467, "high": 0.0402}  # PyTorch and TensorRT, one request at a time
A100_EVALUATION_S = 1.1 / 16  # F5-TTS issue #826: 16 evaluations take 1.1 s for 3 s of audio and for 16 s alike
RTX3090_GB_S, RTX3090_REALTIME = 936, 20  # fish-speech issue #170: 20 s of audio in a second


@dataclass(frozen=True)
class Peak:
    """A card's data sheet: TFLOP/s of dense 16-bit products, of float32 ones, and GB/s of memory."""

    half: float
    single: float
    gb_s: float


def f5_flops(frames: float) -> float:
    """Floating-point operations of one guided evaluation of F5TTS_v1_Base for a sample of so many frames."""
    dim, depth, ff_mult = 1024, 22, 2
    products = depth * (4 * dim * dim + 2 * dim * dim * ff_mult + 2 * frames * dim)
    return 2 * 2 * frames * (products + 2 * 31 * dim * dim // 16 + 2 * 100 * dim)


def f5_request(speech_s: float) -> tuple[float, float]:
    """Operations of one evaluation for a request, and its frames: two chunks, each with the reference."""
    chunks = [min(FIRST_CHUNK_S, speech_s), max(0.0, speech_s - FIRST_CHUNK_S)]
    frames = [MEL_FRAMES_PER_S * (chunk_s + REFERENCE_S) for chunk_s in chunks if chunk_s]
    return sum(map(f5_flops, frames)), sum(frames)


def compute_share(case: str) -> float:
    """Share of the peak that a published F5 reached, if its references were as long as the speech."""
    work = L20_NFE * f5_flops(2 * SPEECH_S * MEL_FRAMES_PER_S) / SPEECH_S  # for a second of speech
    return work / L20_RTF[case] / (L20_TFLOPS * 1e12)


def memory_share() -> float:
    """Share of the memory's bandwidth with which a published Fish-Speech read its weights."""
    return RTX3090_REALTIME * CODE_FRAMES_PER_S * LM_BYTES / (RTX3090_GB_S * 1e9)


def f5_engine(peak: Peak, case: str) -> Engine:
    """F5 on a card: a step is an evaluation, bound by arithmetic; in the low case, at least as long as on the A100."""
    flops, frames = f5_request(SPEECH_S)
    one_s = flops / (peak.half * 1e12 * compute_share(case))
    least_s = A100_EVALUATION_S if case == "low" else 0.0
    return Engine(min(F5_MAX_JOBS, int(F5_MAX_FRAMES / frames)), lambda n: max(least_s, n * one_s))


def fish_engine(peak: Peak, case: str) -> Engine:
    """Fish on a card: a step reads weights, keys and values, and decodes a code frame of every request."""
    share = compute_share(case)
    tokens = PROMPT_TOKENS + SPEECH_S * CODE_FRAMES_PER_S / 2  # of a sequence, on average
    bytes_s = peak.gb_s * 1e9 * memory_share()
    codec_s = CODEC_FLOPS / (peak.single * 1e12 * share)
    prompt_s = 2 * LM_PARAMETERS * PROMPT_TOKENS / (peak.half * 1e12 * share)
    return Engine(FISH_SLOTS, lambda n: (LM_BYTES + n * tokens * TOKEN_BYTES) / bytes_s + n * codec_s, join_s=prompt_s)


def speech_s(rng: random.Random) -> float:
    return SPEECH_S * rng.uniform(1 - SPREAD, 1 + SPREAD)


def f5_work(nfe: int) -> Callable[[random.Random], Request]:
    """Requests to F5: all chunks are evaluated together, so the first audio comes with the last evaluation.

    A step's time depends on the number of the requests in it, not on their lengths; the mean length is used.
    """
    return lambda rng: Request(0.0, nfe, nfe, speech_s(rng))


def fish_work(rng: random.Random) -> Request:
    audio_s = speech_s(rng)
    return Request(0.0, FIRST_CODES, max(FIRST_CODES, round(audio_s * CODE_FRAMES_PER_S)), audio_s)


def measured_engines(path: Path, nfe: int) -> dict[str, Engine]:
    """Engines with the step times that ``benchmarks/gpu/run.sh`` measured, a line through those of all numbers of jobs.

    F5: p50 of a request of 10 s, divided by its evaluations. Fish: step of the language model, and the codec's time.
    """
    rows = {
        row["what"]: row["values"] for stage in json.loads(path.read_text())["stages"] for row in stage.get("rows", ())
    }
    f5, fish, codec_s, prompt_s = {}, {}, 0.0, 0.0
    for what, values in rows.items():
        if match := re.fullmatch(rf"NFE {nfe}, 10 s, clients (\d+)", what):
            f5[int(match[1])] = values["p50 ms"] / 1000 / nfe
        elif match := re.fullmatch(r"(?!int8)\w+, graphs, slots (\d+)", what):
            fish[int(match[1])] = values["step ms"] / 1000
            prompt_s = max(prompt_s, values["prompt ms"] / 1000)
        elif re.fullmatch(r"codec, .*, jobs \d+", what):
            codec_s = values["decode ms per s"] / 1000 / CODE_FRAMES_PER_S
    engines = {}
    if f5:
        engines["f5"] = Engine(F5_MAX_JOBS, line(f5))
    if fish:
        step_s = line(fish)
        engines["fish"] = Engine(FISH_SLOTS, lambda n: step_s(n) + n * codec_s, join_s=prompt_s)
    return engines


def peaks() -> dict[str, Peak]:
    """Data sheets of the cards."""
    sys.path.append(str(HERE / "gpu"))
    from cards import DATA_SHEETS

    return {name: Peak(*DATA_SHEETS[name]) for name in CARDS}


def table(target_s: float) -> dict[str, dict[str, tuple[int, int]]]:
    """Listeners by engine and card, in the low and in the high case."""
    made: dict[str, dict[str, tuple[int, int]]] = {}
    kinds: dict[str, tuple[Callable[[Peak, str], Engine], Callable[[random.Random], Request]]] = {
        "f5, 7 evaluations": (f5_engine, f5_work(7)),
        "f5, 16 evaluations": (f5_engine, f5_work(16)),
        "fish 0.2": (fish_engine, fish_work),
    }
    for kind, (engine, work) in kinds.items():
        made[kind] = {}
        for card, peak in peaks().items():
            low, high = (streams(engine(peak, case), work, target_s) for case in ("low", "high"))
            made[kind][card] = low, high
    return made


def print_table(targets_s: list[float]) -> None:
    print("| engine | p95 of first audio | " + " | ".join(CARDS) + " |")
    print("| --- " * (2 + len(CARDS)) + "|")
    for target_s in targets_s:
        for kind, by_card in table(target_s).items():
            cells = (f"{low} to {high}" for low, high in by_card.values())
            print(f"| {kind} | {target_s:g} s | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target-s", type=float, action="append", help="p95 of first audio; default: 0.5 and 1")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="results.json of benchmarks/gpu/run.sh")
    parser.add_argument("--nfe", type=int, default=7, choices=(7, 16), help="evaluations of F5, with --measured")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw docs/capacity.md's figure")
    arguments = parser.parse_args()
    targets_s = arguments.target_s or [0.5, 1.0]
    if arguments.plot:
        from capacity_plot import draw

        draw(arguments.plot)
    elif arguments.measured:
        work: dict[str, Any] = {"f5": f5_work(arguments.nfe), "fish": fish_work}
        for name, engine in measured_engines(arguments.measured, arguments.nfe).items():
            for target_s in targets_s:
                print(f"{name}: {streams(engine, work[name], target_s)} listeners at a p95 of {target_s:g} s")
    else:
        shares = " and ".join(f"{compute_share(case):.3f}" for case in L20_RTF)
        print(f"Shares of the peak: {shares}; of the memory's bandwidth: {memory_share():.3f}")
        print_table(targets_s)


if __name__ == "__main__":
    main()
