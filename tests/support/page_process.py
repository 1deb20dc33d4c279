"""``voxgate ui`` as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def page_process(*arguments: str, log: Path, **env: str) -> Iterator[httpx.Client]:
    """Start ``voxgate ui`` on a free port; yield a client of it. It must end with status 0."""
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "ui", *arguments],
            stderr=stream,
            env={**os.environ, "GRADIO_SERVER_PORT": "0", **env},
        )
    try:
        deadline = time.monotonic() + 30
        while not (match := re.search(r"page at (http://\S+)/ui/ for", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        with httpx.Client(base_url=match[1], timeout=30, trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()
