"""Intelligibility of the lite engine through a running gateway."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from support.gateway_process import Gateway, read_audio
from support.golden import as_spoken, spread

from recipes.common.transcriber import Transcriber, word_error_rate

pytestmark = pytest.mark.speech

SENTENCES = [
    "The train to the airport leaves in seven minutes.",
    "Please remember to water the plants before you leave.",
    "A cold wind blew across the harbour all night.",
    "She bought three apples and a loaf of bread.",
    "The meeting has been moved to Thursday afternoon.",
    "Nobody expected the old bridge to last so long.",
    "Turn left at the corner and walk past the library.",
    "The children were playing quietly in the garden.",
    "Your order will arrive within the next two days.",
    "It is easier to ask for help than to start again.",
]


def test_ten_sentences_are_understood(gateway: Gateway, transcriber: Transcriber) -> None:
    heard = []
    for sentence in SENTENCES:
        response = gateway.client.post("/tts", json={"text": sentence, "engine": "lite", "seed": 1})
        heard.append(transcriber.transcribe(*read_audio(response.content)))
    rate = word_error_rate(SENTENCES, heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.10, heard


def test_numbers_prices_and_dates_are_understood(gateway: Gateway, transcriber: Transcriber) -> None:
    rows = spread("english", 40)
    heard = []
    for row in rows:
        response = gateway.client.post("/tts", json={"text": row.written, "engine": "lite", "seed": 1})
        assert response.status_code == 200, response.text
        heard.append(as_spoken(transcriber.transcribe(*read_audio(response.content))))
    rate = word_error_rate([as_spoken(row.spoken) for row in rows], heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.06, heard


def test_word_error_rate_detects_another_sentence(gateway: Gateway, transcriber: Transcriber) -> None:
    other = gateway.client.post("/tts", json={"text": SENTENCES[0], "engine": "lite", "seed": 1})
    assert word_error_rate([SENTENCES[1]], [transcriber.transcribe(*read_audio(other.content))]) > 0.5


@pytest.mark.parametrize("speed", [0.5, 1.5, 2.0])
def test_speech_is_understood_at_other_speeds(gateway: Gateway, transcriber: Transcriber, speed: float) -> None:
    body = {"text": " ".join(SENTENCES[:3]), "engine": "lite", "seed": 1, "speed": speed}
    heard = transcriber.transcribe(*read_audio(gateway.client.post("/tts", json=body).content))
    assert word_error_rate([str(body["text"])], [heard]) <= 0.15, heard


@pytest.mark.parametrize(("fmt", "stream"), [("mp3", True), ("opus", True), ("wav", True), ("aac", False)])
def test_speech_is_understood_in_every_format(
    gateway: Gateway, transcriber: Transcriber, fmt: str, stream: bool
) -> None:
    text = " ".join(SENTENCES[3:6])
    response = gateway.client.post("/tts", json={"text": text, "seed": 1, "format": fmt, "stream": stream})
    command = ["ffmpeg", "-v", "error", "-i", "-", "-f", "f32le", "-ar", "16000", "-ac", "1", "-"]
    decoded = subprocess.run(command, input=response.content, capture_output=True, check=True).stdout
    heard = transcriber.transcribe(np.frombuffer(decoded, np.float32), 16000)
    assert word_error_rate([text], [heard]) <= 0.10, heard


def test_chinese_is_rejected(gateway: Gateway) -> None:
    response = gateway.client.post("/tts", json={"text": "你好，世界", "engine": "lite"})
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["param"] == "text"
    assert "zh" in error["message"]


def test_first_sentence_is_streamed_before_the_rest(gateway: Gateway) -> None:
    text = " ".join(SENTENCES * 4)
    with gateway.client.stream("POST", "/tts", json={"text": text, "stream": True, "format": "pcm"}) as response:
        sizes = [len(data) for data in response.iter_raw()]
    assert len(sizes) >= len(SENTENCES) * 3
    assert sizes[0] < sum(sizes) / 10
