"""A gateway as a process, and other helpers shared by several folders of tests."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import soundfile
import yaml

TONE_AND_LITE = {
    "host": "127.0.0.1",
    "port": 0,
    "default_engine": "lite",
    "engines": {
        "lite": {"backend": "lite", "load": "eager", "threads": 1},
        "tone": {"backend": "tone", "load": "eager", "backoff_s": 0.1},
    },
}


TONE = {
    "port": 0,
    "default_engine": "tone",
    "engines": {"tone": {"backend": "tone", "load": "eager", "backoff_s": 0.1}},
}


@dataclass
class Gateway:
    """A running ``voxgate serve`` process."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def stop(self, sig: int = signal.SIGTERM, timeout_s: float = 30) -> int:
        self.client.close()
        self.process.send_signal(sig)
        return self.process.wait(timeout_s)


def start_gateway(folder: Path, config: dict, *arguments: str, env: dict[str, str] | None = None) -> Gateway:
    """Start ``voxgate serve`` and wait until it listens."""
    config = {"data_dir": str(folder / "data"), **config}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--config", str(path), *arguments],
            stderr=stream,
            text=True,
            env={**os.environ, **(env or {})},
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if match := re.search(r"listening on (http://\S+:\d+)", log.read_text()):
            return Gateway(process, match[1], log)
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the gateway did not start:\n{log.read_text()}")


def wait_ready(gateway: Gateway, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while gateway.client.get("/health/ready").status_code != 200:
        assert time.monotonic() < deadline, gateway.log.read_text()
        time.sleep(0.05)


def clip_of(seconds: int) -> bytes:
    """A modulated tone that resembles a voice, as a WAV file."""
    rate = 16000
    t = np.arange(seconds * rate) / rate
    samples = 0.3 * np.sin(2 * np.pi * 180 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.astype(np.float32), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def read_audio(data: bytes) -> tuple[np.ndarray, int]:
    """Samples, shape (N,), and rate of a WAV or FLAC file."""
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    return samples, rate
