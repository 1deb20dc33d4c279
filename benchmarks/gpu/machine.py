"""The machine of a benchmark: card, driver, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "torch",
    "torchaudio",
    "triton",
    "numpy",
    "transformers",
    "huggingface-hub",
    "tokenizers",
    "f5-tts",
)


def describe(device: str) -> dict[str, str]:
    """Return what a reader of the figures needs to know, name by name."""
    commit = _output("git", "rev-parse", "HEAD")[:12]
    found = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "commit": commit or "unknown"}
    if device.startswith("cuda"):
        found |= _card(device)
    else:
        found |= {"card": "no GPU", "driver": "none"}
    found["cpu"] = f"{_cpu()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the start"
    found["python"] = platform.python_version()
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _card(device: str) -> dict[str, str]:
    import torch

    if not torch.cuda.is_available():
        return {"card": f"{device} not found by torch {torch.__version__}", "driver": "unknown"}
    properties = torch.cuda.get_device_properties(device)
    query = _output("nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv,noheader")
    driver, _, limits = query.partition(", ")
    return {
        "card": f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB",
        "capability": f"{properties.major}.{properties.minor}, {properties.multi_processor_count} multiprocessors",
        "driver": driver or "unknown",
        "clock and power limit": limits or "unknown",
        "cuda": str(torch.version.cuda),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _output(*command: str) -> str:
    """Return what a command prints, or nothing where it fails."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
