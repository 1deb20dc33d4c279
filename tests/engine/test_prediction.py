from __future__ import annotations

import random

import numpy as np
import pytest

from backends.base import Job, Reference
from gateway.engine import prediction
from gateway.engine.prediction import LengthPredictor

ENGLISH = "The quick brown fox jumps over the lazy dog."
CHINESE = "今天天气很好，我们去公园散步吧。"
WORDS = "one seven thirteen lorem ipsum dolor perhaps tomorrow we shall see whether that holds".split()


def job(text: str, voice: str = "ada", speed: float = 1.0, language: str = "en", digest: str = "") -> Job:
    reference = Reference(np.zeros(1, np.float32), 24000, "", digest) if digest else None
    return Job("1", text, seed=1, speed=speed, language=language, voice=voice, reference=reference)


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 30))) + rng.choice((".", "?", "", ". So. There!"))


@pytest.mark.parametrize(
    ("text", "shortest_s", "longest_s"),
    [
        ("Hello.", 0.5, 1.5),
        (ENGLISH, 2.4, 4.0),
        (CHINESE, 2.6, 4.5),
        ("きょうはいいてんきですね。", 1.5, 3.0),
        ("오늘은 날씨가 좋네요.", 1.5, 3.0),
        ("Сегодня хорошая погода.", 1.3, 2.5),
        ("555 0199", 2.0, 4.0),
    ],
)
def test_first_prediction_is_plausible_in_every_script(text: str, shortest_s: float, longest_s: float) -> None:
    assert shortest_s < LengthPredictor().predict(job(text)) < longest_s


def test_speed_divides_the_length() -> None:
    lengths = LengthPredictor()
    assert lengths.predict(job(ENGLISH, speed=2.0)) == pytest.approx(lengths.predict(job(ENGLISH)) / 2)
    for _ in range(30):
        lengths.learn(job(ENGLISH, speed=2.0), 4.0)
    assert lengths.predict(job(ENGLISH)) == pytest.approx(8.0, rel=0.05)


@pytest.mark.parametrize(("char_s", "sentence_s"), [(0.05, 0.0), (0.06, 0.8), (0.12, 0.3)])
def test_rates_of_characters_and_sentence_ends_are_learnt(char_s: float, sentence_s: float) -> None:
    rng, lengths = random.Random(7), LengthPredictor()

    def spoken_s(text: str) -> float:
        return char_s * len(text) + sentence_s * max(1, sum(map(text.count, ".!?")))

    for _ in range(50):
        text = sentence(rng)
        lengths.learn(job(text), spoken_s(text))
    for _ in range(50):
        text = sentence(rng)
        assert lengths.predict(job(text)) == pytest.approx(spoken_s(text), rel=0.25, abs=0.1)


def test_voices_are_learnt_apart_and_a_new_one_starts_with_the_engine() -> None:
    lengths = LengthPredictor()
    for _ in range(20):
        lengths.learn(job(ENGLISH, digest="slow"), 6.0)
        lengths.learn(job(ENGLISH, digest="fast"), 2.0)
    assert lengths.predict(job(ENGLISH, digest="slow")) == pytest.approx(6.0, rel=0.1)
    assert lengths.predict(job(ENGLISH, digest="fast")) == pytest.approx(2.0, rel=0.1)
    assert lengths.predict(job(ENGLISH, digest="new")) == pytest.approx(4.0, rel=0.1)


def test_prediction_follows_a_change() -> None:
    lengths = LengthPredictor()
    for _ in range(200):
        lengths.learn(job(ENGLISH), 3.0)
    for _ in range(100):
        lengths.learn(job(ENGLISH), 5.0)
    assert lengths.predict(job(ENGLISH)) == pytest.approx(5.0, rel=0.1)


def test_shortest_prediction_is_positive() -> None:
    lengths = LengthPredictor()
    for _ in range(100):
        lengths.learn(job(100 * "a. "), 200.0)
        lengths.learn(job(300 * "a"), 0.01)
    assert lengths.predict(job(3000 * "a")) == prediction.MIN_S


def test_number_of_learnt_voices_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "MAX_VOICES", 3)
    lengths = LengthPredictor()
    for number in range(10):
        lengths.learn(job(ENGLISH, digest=f"d{number}"), 3.0)
    assert [voice for voice, _ in lengths._voices] == ["d7", "d8", "d9"]
