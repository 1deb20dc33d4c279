"""The repository that the hub tests fetch, and the types of their fixtures."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from backends.hub import Hub

ROOT = Path(__file__).parents[3]
REPO = "owner/voice"
WEIGHTS_BYTES = 600_000

# Runs in another process.
FETCH = """
import sys
from backends.hub import Hub, HubSettings
print(Hub(HubSettings.from_environment()).fetch(sys.argv[1]).path)
"""

HubFor = Callable[..., Hub]
Python = Callable[..., subprocess.Popen[str]]


def weights(seed: int = 0, size_bytes: int = WEIGHTS_BYTES) -> bytes:
    """Bytes without repetition, so that a misplaced part is detected."""
    return b"".join((seed * 1_000_003 + index).to_bytes(8, "little") for index in range(size_bytes // 8))


def files() -> dict[str, bytes]:
    return {
        "README.md": b"# a voice\n",
        "base/config.json": b'{"rate_hz": 24000}',
        "base/model.safetensors": weights(),
        "base/vocab.txt": "a\nb\nü\n".encode(),
        "other/empty.txt": b"",
    }
