"""f5-mini, which the default configuration serves as `f5`, is understood: sentences that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness import Gateway, read_audio
from speech.minis import model_of, speak, speak_all

from backends.f5.model import RATE_HZ
from recipes.common.listener import Listener, word_error_rate
from recipes.common.sentences import held_out
from recipes.f5_mini.export import PROMPT
from recipes.f5_mini.score import through_vocoder

pytestmark = [pytest.mark.speech, pytest.mark.timeout(900)]

ENGINE = "f5"
ASSETS = Path(__file__).parents[2] / "backends/f5/assets/f5_mini"


def pitch_hz(samples: np.ndarray) -> float:
    """Median over voiced frames of 40 ms, by autocorrelation."""
    size, found = RATE_HZ // 25, []
    lags = np.arange(RATE_HZ // 400, RATE_HZ // 70)
    for frame in samples[: len(samples) // size * size].reshape(-1, size):
        frame = frame - frame.mean()
        energy = float(frame @ frame)
        if energy < 1e-2 * size * float(samples.std()) ** 2:
            continue
        likeness = np.array([frame[lag:] @ frame[:-lag] for lag in lags]) / energy
        if likeness.max() > 0.5:
            found.append(RATE_HZ / lags[likeness.argmax()])
    return float(np.median(found))


def test_held_out_sentences_are_understood_in_both_voices(served: Gateway, listener: Listener) -> None:
    texts = [text for text in held_out() if text != PROMPT]
    bodies = [{"text": text, "voice": ("clear", "deep")[index % 2]} for index, text in enumerate(texts)]
    spoken = speak_all(served, ENGINE, bodies)
    heard = [listener.transcribe(samples, RATE_HZ) for samples in spoken]
    rate = word_error_rate(texts, heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.15, heard


def test_the_vocoder_alone_loses_hardly_a_word(listener: Listener, teacher: list[bytes]) -> None:
    made, _ = through_vocoder(ASSETS, [read_audio(one)[0] for one in teacher])
    rate = word_error_rate(held_out(), [listener.transcribe(samples, RATE_HZ) for samples in made])
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.05


def test_the_voice_asked_for_speaks(served: Gateway) -> None:
    text = "The voice that was asked for is the one that speaks."
    clear, deep = (pitch_hz(speak(served, ENGINE, text=text, voice=voice)) for voice in ("clear", "deep"))
    assert 0.72 < deep / clear < 0.92, (clear, deep)


def test_nobody_takes_it_for_the_official_model(served: Gateway) -> None:
    assert "f5-mini" in model_of(served, ENGINE)
