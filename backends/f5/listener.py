"""Writes down what is said in a reference that came without a transcript. Optional: needs ``model.asr``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import soxr

from backends.base import Audio
from backends.errors import LoadError
from backends.f5.model import RATE_HZ

NEEDED = ("config.json", "model.bin", "tokenizer.json")  # without the last, faster-whisper would fetch one by itself
FILES = (*NEEDED, "vocabulary.*", "preprocessor_config.json")
WHISPER_RATE_HZ = 16000


class Listener:
    """A Whisper model in CTranslate2's format, run by faster-whisper on the CPU.

    On the CPU always: it listens to a clip once, and would need CUDA libraries of other versions than torch's.

    :param folder: holds :data:`NEEDED`.
    :param where: the engine's place in the configuration.
    :raises LoadError: faster-whisper is not installed, or the folder is no such model.
    """

    def __init__(self, folder: Path, threads: int, where: str):
        try:
            package = importlib.import_module("faster_whisper")
        except ImportError as error:
            needs = "needs the package faster-whisper: pip install faster-whisper"
            raise LoadError(f"configuration key {where}.model.asr {needs} ({error})") from error
        for name in NEEDED:
            if not (folder / name).is_file():
                raise LoadError(f"{folder}: no model for faster-whisper, because it has no {name}")
        try:
            self._model: Any = package.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
        except (RuntimeError, ValueError, OSError) as error:
            raise LoadError(f"{folder}: not a readable model for faster-whisper ({error})") from error

    def transcribe(self, samples: Audio) -> str:
        """What is said, possibly nothing; in whatever language it is.

        One pass without the retries at other temperatures, which are random and would take several times as long.

        :param samples: mono PCM at 24 kHz, shape (N,), at most 30 s.
        :raises RuntimeError: the model failed.
        """
        audio = soxr.resample(samples, RATE_HZ, WHISPER_RATE_HZ)
        segments, _ = self._model.transcribe(
            audio, beam_size=5, temperature=0.0, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in segments).strip()
