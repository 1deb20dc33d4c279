"""Stage 1: both engines load and speak in every precision that ``auto`` may choose on such a device."""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback

import numpy as np
import speech
import torch
from report import Report

PRECISIONS = {"cuda": ("float32", "float16", "bfloat16"), "cpu": ("float32", "bfloat16")}
FRAMES = 32
FISH_FRAME_SAMPLES = 1024
F5_RATE_HZ, CLOSING_S, HOP_SAMPLES = 24000, 0.05, 256


def f5_samples(text: str) -> float:
    """Expected samples of a text: F5-TTS gives a byte the time of a byte of the reference, pause included."""
    spoken_s = speech.REFERENCE_S + CLOSING_S
    return F5_RATE_HZ * spoken_s * len(text.encode()) / len(f"{speech.REFERENCE_TEXT}  ".encode())


def check(samples: np.ndarray, expected: float, tolerance: float) -> None:
    """Refuse audio that is empty, of another length, silent or not finite.

    :raises ValueError: naming the fault.
    """
    if not np.all(np.isfinite(samples)):
        raise ValueError(f"{np.count_nonzero(~np.isfinite(samples))} of {len(samples)} samples are not finite")
    if abs(len(samples) - expected) > tolerance:
        raise ValueError(f"{len(samples)} samples, but {expected:.0f} ± {tolerance:.0f} were expected")
    if not np.any(samples):
        raise ValueError("silence")


def try_engine(report: Report, name: str, dtype: str, device: str, quick: bool, **model: object) -> None:
    """Load, speak, check, report."""
    on_gpu = device.startswith("cuda")
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    plugin = speech.build(name, device, quick, dtype, **model)
    began_at = time.perf_counter()
    engine = plugin.load()
    loaded = engine.capabilities.model
    load_s = time.perf_counter() - began_at
    job = speech.job(name, quick, FRAMES)
    first, second = (speech.speak(engine, job)[job.id] for _ in range(2))
    engine.close()
    if name == "f5":
        check(first.samples, f5_samples(job.text), 4 * HOP_SAMPLES)
    else:
        check(first.samples, FRAMES * FISH_FRAME_SAMPLES, 0)
    if not np.array_equal(first.samples, second.samples):
        raise ValueError("the same job and seed gave other audio the second time")
    memory = {"peak GiB": torch.cuda.max_memory_allocated() / 2**30} if on_gpu else {}
    values = {"load s": load_s, "first s": first.wall_s, "again s": second.wall_s, **memory}
    report.row(loaded, **values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    device, quick = arguments.device, arguments.quick
    report = Report("smoke", arguments.out)
    failures = 0
    precisions = PRECISIONS[torch.device(device).type]
    tries: list[tuple[str, str, dict[str, object]]] = [("f5", dtype, {}) for dtype in precisions]
    tries += [("fish", dtype, {}) for dtype in precisions]
    tries += [("fish", "auto", {"quantize": "int8"})]
    for name, dtype, model in tries:
        try:
            try_engine(report, name, dtype, device, quick, **model)
        except Exception as error:
            failures += 1
            traceback.print_exc(file=sys.stdout)
            report.row(
                f"{name} {dtype} {' '.join(map(str, model.values()))}", failed=f"{type(error).__name__}: {error}"
            )
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
