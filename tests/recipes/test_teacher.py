"""The teacher's speaking style: speed, pitch and sample rate of an utterance."""

from __future__ import annotations

import numpy as np
import pytest

from backends.fish.v0_2.text.phonemizer import Phonemizer
from recipes.common.teacher import DEEPER, PLAIN, TEACHER_HZ, SpeakingStyle, utterance


class ToneTeacher:
    """A fake teacher: a tone of 200 Hz with five letters, one second long at a speed of 1."""

    def __init__(self) -> None:
        self.speeds: list[float] = []

    def __call__(self, text: str, speed: float = 1.0) -> tuple[np.ndarray, str, list[float]]:
        self.speeds.append(speed)
        seconds = np.arange(int(TEACHER_HZ / speed)) / TEACHER_HZ
        ends = [0.2 * (place + 1) / speed for place in range(5)]
        return (0.1 * np.sin(2 * np.pi * 200 * seconds)).astype(np.float32), "ɡOɑn.", ends


@pytest.mark.parametrize(
    ("style", "pitch_hz"),
    [(PLAIN, 200), (SpeakingStyle(24000, (0.8, 0.9)), 200), (SpeakingStyle(24000, (1.2, 1.2), 1.0), 164)],
)
def test_utterance_has_the_speed_pitch_and_rate_of_its_style(style: SpeakingStyle, pitch_hz: int) -> None:
    teacher = ToneTeacher()
    made = utterance(teacher, Phonemizer(), "Go on.", style)  # type: ignore[arg-type]
    assert made is not None
    samples, about = made
    speed = about["speed"]
    assert style.paces[0] <= speed <= style.paces[1]
    assert teacher.speeds == [pytest.approx(speed / (DEEPER if about["deeper"] else 1), rel=1e-3)]
    assert len(samples) / style.rate_hz == pytest.approx(1 / speed, rel=0.01)
    assert about["ends"][-1] == pytest.approx(1 / speed, rel=0.01)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * style.rate_hz / len(samples) == pytest.approx(pitch_hz, abs=2)


def test_style_of_a_text_is_deterministic_and_varies_between_texts() -> None:
    style = SpeakingStyle(24000, (0.85, 1.2), 0.5)
    drawn = [style.of(f"Sentence {number}.") for number in range(200)]
    assert drawn == [style.of(f"Sentence {number}.") for number in range(200)]
    assert 60 < sum(deeper for _, deeper in drawn) < 140
    assert np.ptp([speed for speed, _ in drawn]) > 0.3
    assert PLAIN.of("Go on.") == (1.0, False)
