"""fish-mini, which the default configuration serves as `fish`, is understood: sentences that it was not trained on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import ormsgpack
import pytest
from harness import Gateway, read_audio

from backends.fish.model import RATE_HZ
from recipes.common.listener import Listener, word_error_rate
from recipes.common.sentences import held_out

pytestmark = [pytest.mark.speech, pytest.mark.timeout(600)]

ENGINE = "fish"
MSGPACK = {"content-type": "application/msgpack"}
AT_ONCE = 4


def speak(gateway: Gateway, **body: object) -> np.ndarray:
    response = gateway.client.post("/tts", json={"seed": 1, "engine": ENGINE, **body})
    assert response.status_code == 200, response.text
    assert "fish-mini" in response.headers["x-voxgate-model"]
    return read_audio(response.content)[0]


@pytest.fixture(scope="module")
def teacher(served: Gateway) -> list[bytes]:
    """The sentences in the voice that fish-mini was taught by, which is that of `lite`: WAV files."""
    return [served.client.post("/tts", json={"text": text, "engine": "lite"}).content for text in held_out()]


def test_held_out_sentences_are_understood(served: Gateway, listener: Listener) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        spoken = list(pool.map(lambda text: speak(served, text=text), held_out()))
    heard = [listener.transcribe(samples, RATE_HZ) for samples in spoken]
    rate = word_error_rate(held_out(), heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.20, heard


def test_the_codec_alone_loses_hardly_a_word(served: Gateway, listener: Listener, teacher: list[bytes]) -> None:
    heard = []
    for at in range(0, len(teacher), 10):
        body = {"content": ormsgpack.packb({"audios": teacher[at : at + 10]}), "headers": MSGPACK}
        tokens = ormsgpack.unpackb(served.client.post("/v1/vqgan/encode", **body).content)["tokens"]
        sound = served.client.post("/v1/vqgan/decode", json={"tokens": tokens})
        assert sound.status_code == 200, sound.text
        audios = ormsgpack.unpackb(sound.content)["audios"]
        heard += [listener.transcribe(np.frombuffer(audio, "<f2").astype(np.float32), RATE_HZ) for audio in audios]
    rate = word_error_rate(held_out(), heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.05, heard


def test_nobody_takes_it_for_the_official_model(served: Gateway) -> None:
    engines = {engine["name"]: engine for engine in served.client.get("/v1/engines").json()["engines"]}
    assert "fish-mini" in engines[ENGINE]["model"]
