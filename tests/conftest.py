"""Fixtures shared by several folders of tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway_process import TONE_AND_LITE, Gateway, clip_of, start_gateway, wait_ready

SLOW_FOLDERS = frozenset(
    {
        "benchmarks",
        "browser",
        "cli",
        "clients",
        "contract",
        "e2e",
        "engine",
        "f5",
        "faults",
        "fish",
        "hub",
        "image",
        "recipes",
        "speech",
    }
)
"""Folders whose tests need models, a browser, or many processes or servers; ``make test-quick`` leaves them out."""


# State files of the gateways that tests start; they must not be found by commands outside of the tests.
os.environ["XDG_STATE_HOME"] = f"{tempfile.gettempdir()}/voxgate-tests-{os.getuid()}/state"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    for item in items:
        if SLOW_FOLDERS.intersection(item.path.relative_to(tests).parts):
            item.add_marker("slow")
    items.sort(key=lambda item: "speech" not in item.path.parts)  # the longest first, so that no core waits for them


@pytest.fixture(autouse=True)
def _clear_settings_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VOXGATE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway with the lite and tone engines, shared by tests that do not change its state."""
    running = start_gateway(tmp_path_factory.mktemp("gateway"), TONE_AND_LITE)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.fixture(scope="session")
def clip() -> bytes:
    """Two seconds of a modulated tone that resembles a voice, as a WAV file."""
    return clip_of(2)
