"""Texts that engines once dropped or misread, through a gateway with the default configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/cases/text"
SPOKEN = {
    "02_f5_digits_dropped": "I have three apples and twelve pears.",
    "02_f5_only_digit": "seven",
    "02_f5_price_dropped": "It costs five dollars and ninety nine cents today.",
    "09_nfd": "Café déjà vu, naïve.",
    "09_small_caps_dropped": "hello world",
    "09_soft_hyphen_zwj": "This is a wonderful day. Hello world.",
    "10_symbols": "It costs five euros, or five euros and ninety nine cents. ten divided by two equals five, three "
    "times four equals twelve, a greater than or equal to b. Room zero zero seven, zip zero two one three four, on May "
    "seventeenth twenty twenty four. The server is one ninety two dot one sixty eight dot one dot ten.",
    "13_ssml": "Hello world.",
}


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    config = {"include": [str(ROOT / "configs/gateway.yaml")], "port": 0, "engines": {"f5": {"load": "eager"}}}
    running = start_gateway(folder, config)
    running.client.timeout = 120
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def case(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    return body


def answer(gateway: Gateway, body: dict[str, Any]) -> dict[str, Any]:
    response = gateway.client.post("/tts", json={**body, "response": "base64"})
    assert response.status_code == 200, response.text
    spoken: dict[str, Any] = response.json()
    return spoken


@pytest.mark.parametrize("name", SPOKEN)
def test_text_is_spoken_as_a_reader_would(default: Gateway, name: str) -> None:
    assert answer(default, case(name))["spoken_text"] == SPOKEN[name]


def test_no_at_the_end_of_a_sentence_is_not_a_number(default: Gateway) -> None:
    body = case("01_no_as_number")
    response = default.client.post("/v1/audio/speech", json={**body, "response_format": "wav"})
    assert response.status_code == 200, response.text
    samples, rate_hz = read_audio(response.content)
    without, _ = read_audio(default.client.post("/tts", json={"text": "The answer is know.", "seed": 1}).content)
    assert len(samples) / rate_hz == pytest.approx(len(without) / rate_hz, abs=0.1)  # "number" is longer


def test_break_is_silence_of_its_length(default: Gateway) -> None:
    paused = answer(default, {**case("13_ssml"), "seed": 1})
    parts = [answer(default, {"text": text, "seed": 1}) for text in ("Hello", "world.")]
    assert paused["duration_s"] == pytest.approx(sum(part["duration_s"] for part in parts) + 0.5, abs=0.05)


def test_foreign_transcript_is_refused(default: Gateway, clip: bytes) -> None:
    fields = case("16_f5_reference_text_unchecked")
    response = default.client.post("/tts", data=fields, files={"reference_audio": ("clip.wav", clip)})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "reference_text"
    assert "'你' (CJK script, character 1 of the text)" in response.json()["error"]["message"]
