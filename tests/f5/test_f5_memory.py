"""Memory on a CPU: a worker does not grow with the number of different lengths it has generated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.f5.sampling import write_model

WIDE = {"dim": 768, "depth": 1, "heads": 12, "ff_mult": 2, "text_dim": 64, "conv_layers": 0}

# In a separate process, because libraries read the bounds of their caches at first use.
CODE = """
import sys
import numpy as np
from backends.base import EngineConfig, Finished, Job, Reference
from backends.f5.plugin import F5Plugin

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

checkpoint, architecture, vocoder = sys.argv[1:]
model = {"checkpoint": checkpoint, "architecture": architecture, "vocoder": vocoder}
config = EngineConfig("f5", device="cpu", dtype="bfloat16", threads=1, model=model, defaults={"nfe": 1})
engine = F5Plugin(config).load()
audio = (0.2 * np.sin(np.arange(24000) / 20)).astype(np.float32)
reference = Reference(audio, 24000, "One second of it.", "x")

def speak(length):
    job = Job("a", "As long as it takes.", seed=1, reference=reference, options={"fix_duration_s": 1.5 + length / 90})
    engine.add(job)
    while not any(isinstance(event, Finished) for event in engine.step()):
        pass

speak(0)
before_mb = resident_mb()
for length in range(1, 81):
    speak(length)
print(resident_mb() - before_mb)
"""


def test_80_different_lengths_add_less_than_150_mb(tmp_path: Path) -> None:
    model = write_model(tmp_path, WIDE)
    files = [model["checkpoint"], model["architecture"], model["vocoder"]]
    result = subprocess.run(
        [sys.executable, "-c", CODE, *files], capture_output=True, text=True, check=True, timeout=150
    )
    assert float(result.stdout) < 150
