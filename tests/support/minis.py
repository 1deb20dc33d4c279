"""Helpers for tests of the small checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from support.gateway_process import Gateway, read_audio

CONCURRENCY = 4


def speak(gateway: Gateway, engine: str, **body: object) -> np.ndarray:
    """Synthesize speech with an engine's small checkpoint, which the response must name."""
    response = gateway.client.post("/tts", json={"seed": 1, "engine": engine, **body})
    assert response.status_code == 200, response.text
    assert f"{engine}-mini" in response.headers["x-voxgate-model"]
    return read_audio(response.content)[0]


def speak_all(gateway: Gateway, engine: str, bodies: Sequence[dict[str, object]]) -> list[np.ndarray]:
    """Synthesize several requests concurrently."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(lambda body: speak(gateway, engine, **body), bodies))


def model_of(gateway: Gateway, engine: str) -> str:
    """Return an engine's model according to ``/v1/engines``."""
    listed = gateway.client.get("/v1/engines").json()["engines"]
    return str(next(entry for entry in listed if entry["name"] == engine)["model"])
