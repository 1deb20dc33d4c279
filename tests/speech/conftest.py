"""Fixtures for tests of speech."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway_process import Gateway, start_gateway, wait_ready

from recipes.common.sentences import held_out
from recipes.common.transcriber import Transcriber

TAUGHT = held_out()[::2]
DEFAULTS = Path(__file__).parents[2] / "configs/gateway.yaml"


@pytest.fixture(scope="session")
def transcriber() -> Transcriber:
    return Transcriber()


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with the default configuration on a free port, with the test module's ``ENGINE`` loaded."""
    gateway = start_gateway(tmp_path_factory.mktemp("mini"), {"include": [str(DEFAULTS)], "port": 0})
    gateway.client.timeout = 300
    wait_ready(gateway)
    request_for = {"engine": request.module.ENGINE, "text": "Hello."}
    while (first := gateway.client.post("/tts", json=request_for)).status_code == 503:
        assert "loading" in first.text, first.text
        time.sleep(float(first.headers["retry-after"]))
    assert first.status_code == 200, first.text
    yield gateway
    assert gateway.stop() == 0, gateway.log.read_text()


@pytest.fixture(scope="module")
def teacher(served: Gateway) -> list[bytes]:
    """WAV files of :data:`TAUGHT` in the training voice of the small checkpoints, that of `lite`."""
    return [served.client.post("/tts", json={"text": text, "engine": "lite"}).content for text in TAUGHT]
