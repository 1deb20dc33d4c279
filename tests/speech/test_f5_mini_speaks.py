"""Intelligibility of f5-mini, the default configuration's `f5`, on sentences outside its training data."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
from support.gateway_process import Gateway, read_audio
from support.golden import as_spoken, spread
from support.minis import model_of, speak_all

from backends.f5.config import RATE_HZ
from recipes.common.sentences import held_out
from recipes.common.transcriber import Transcriber, word_error_rate
from recipes.f5_mini.export import PROMPT
from recipes.f5_mini.score import through_vocoder

pytestmark = [pytest.mark.speech, pytest.mark.timeout(900)]

ENGINE = "f5"
VOICES = ("clear", "deep")
TEXTS = [text for text in held_out() if text != PROMPT][::3]  # recipes.f5_mini.score counts all of them
ASSETS = Path(__file__).parents[2] / "backends/f5/assets/f5_mini"


def pitch_hz(samples: np.ndarray) -> float:
    """Median pitch of the voiced frames."""
    return float(np.nanmedian(librosa.pyin(samples, fmin=70, fmax=400, sr=RATE_HZ)[0]))


@pytest.fixture(scope="module")
def spoken(served: Gateway) -> list[np.ndarray]:
    """The texts in the two voices alternately."""
    return speak_all(served, ENGINE, [{"text": text, "voice": VOICES[at % 2]} for at, text in enumerate(TEXTS)])


def test_held_out_sentences_are_understood_in_both_voices(spoken: list[np.ndarray], transcriber: Transcriber) -> None:
    heard = [transcriber.transcribe(samples, RATE_HZ) for samples in spoken]
    rate = word_error_rate(TEXTS, heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.15, heard


def test_numbers_prices_and_dates_are_understood(served: Gateway, transcriber: Transcriber) -> None:
    rows = spread("english", 40)
    spoken = speak_all(served, ENGINE, [{"text": row.written, "options": {"nfe": 7}} for row in rows])
    heard = [as_spoken(transcriber.transcribe(samples, RATE_HZ)) for samples in spoken]
    rate = word_error_rate([as_spoken(row.spoken) for row in rows], heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.35, heard


def test_voices_differ_in_pitch(spoken: list[np.ndarray]) -> None:
    clear, deep = (pitch_hz(np.concatenate(spoken[at:16:2])) for at in range(2))
    print(f"clear {clear:.0f} Hz, deep {deep:.0f} Hz")
    assert 0.72 < deep / clear < 0.92


def test_vocoder_alone_is_understood(transcriber: Transcriber, teacher: list[bytes]) -> None:
    made, _ = through_vocoder(ASSETS, [read_audio(one)[0] for one in teacher])
    rate = word_error_rate(held_out()[::2], [transcriber.transcribe(samples, RATE_HZ) for samples in made])
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.05


def test_model_name_differs_from_the_official_one(served: Gateway) -> None:
    assert "f5-mini" in model_of(served, ENGINE)
