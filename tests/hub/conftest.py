"""Fixtures: two fake hubs with the same repository, an empty cache, and settings with short timeouts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.hub.content import REPO, ROOT, HubFor, Python, files
from support.hub.fake_hub import FakeHub, running

from backends.hub import Endpoint, Hub, HubSettings


@pytest.fixture(autouse=True)
def _no_proxy_and_no_user_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {"TRANSFORMERS_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_CACHE"}
    for name in list(os.environ):
        if name.startswith("HF_") or name in others or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def official() -> Iterator[FakeHub]:
    with running() as hub:
        hub.add(REPO, files())
        yield hub


@pytest.fixture
def mirror() -> Iterator[FakeHub]:
    with running() as hub:
        hub.add(REPO, files())
        yield hub


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub_for(cache_dir: Path) -> HubFor:
    """Create a ``Hub`` with the given endpoints."""

    def make(
        *endpoints: FakeHub | Endpoint | str, pause: Callable[[float], None] = time.sleep, **settings: object
    ) -> Hub:
        asked = []
        for endpoint in endpoints:
            url = endpoint.url if isinstance(endpoint, FakeHub) else endpoint
            asked.append(url if isinstance(url, Endpoint) else Endpoint(url))
        timeouts: dict[str, object] = {
            "connect_timeout_s": 1.0,
            "metadata_timeout_s": 0.5,
            "stall_timeout_s": 0.5,
            "backoff_s": 0.0,
            "lock_timeout_s": 20.0,
            "cache_dir": cache_dir,
        }
        return Hub(HubSettings(endpoints=tuple(asked), **(timeouts | settings)), pause)  # type: ignore[arg-type]

    return make


@pytest.fixture
def python(cache_dir: Path) -> Iterator[Python]:
    """Run code in another Python process, with the given cache and environment variables."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_HUB_CACHE": str(cache_dir), "HF_HUB_DISABLE_PROGRESS_BARS": "1", **variables}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
