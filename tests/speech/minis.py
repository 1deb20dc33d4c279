"""What the tests of the small checkpoints share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from harness import Gateway, read_audio

AT_ONCE = 4


def speak(gateway: Gateway, engine: str, **body: object) -> np.ndarray:
    """What the small checkpoint of an engine says; the answer has to name it."""
    response = gateway.client.post("/tts", json={"seed": 1, "engine": engine, **body})
    assert response.status_code == 200, response.text
    assert f"{engine}-mini" in response.headers["x-voxgate-model"]
    return read_audio(response.content)[0]


def speak_all(gateway: Gateway, engine: str, bodies: Sequence[dict[str, object]]) -> list[np.ndarray]:
    """Some requests at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda body: speak(gateway, engine, **body), bodies))


def model_of(gateway: Gateway, engine: str) -> str:
    """What ``/v1/engines`` says that an engine speaks with."""
    listed = gateway.client.get("/v1/engines").json()["engines"]
    return str(next(one for one in listed if one["name"] == engine)["model"])
