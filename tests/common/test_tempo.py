"""Tempo change at constant pitch."""

from __future__ import annotations

import numpy as np
import pytest

from backends.common.tempo import Tempo, change_tempo

RATE_HZ = 22050


def voice_like(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


def pitch_hz(audio: np.ndarray) -> float:
    middle = audio[len(audio) // 4 : -len(audio) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum) * RATE_HZ / len(middle))


@pytest.mark.parametrize("factor", [0.25, 0.4, 0.5, 0.8, 1.5, 2.0, 4.0])
def test_tempo_changes_the_duration_and_not_the_pitch(factor: float) -> None:
    audio = voice_like(3.0)
    changed = change_tempo(audio, RATE_HZ, factor)
    assert len(changed) == pytest.approx(len(audio) / factor, rel=0.05)
    assert pitch_hz(changed) == pytest.approx(220, abs=4)
    assert changed.dtype == np.float32


@pytest.mark.parametrize("piece", [1, 500, 5000])
def test_chunked_input_gives_the_same_output(piece: int) -> None:
    audio = voice_like(0.5)
    tempo = Tempo(RATE_HZ, 1.3)
    parts = [tempo.push(audio[start : start + piece]) for start in range(0, len(audio), piece)]
    joined = np.concatenate([*parts, tempo.finish()])
    np.testing.assert_allclose(joined, change_tempo(audio, RATE_HZ, 1.3), atol=1e-6)


def test_empty_input_gives_empty_output() -> None:
    assert not len(change_tempo(np.zeros(0, np.float32), RATE_HZ, 2.0))
    tempo = Tempo(RATE_HZ, 2.0)
    assert not len(tempo.push(np.zeros(0, np.float32)))
    assert not len(tempo.finish())
