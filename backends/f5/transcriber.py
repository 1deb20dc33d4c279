"""Speech recognition for references that come without a transcript. Optional: enabled by ``model.asr``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import soxr

from backends.base import Audio
from backends.errors import LoadError
from backends.f5.config import RATE_HZ

REQUIRED_FILES = ("config.json", "model.bin", "tokenizer.json")  # faster-whisper downloads a missing tokenizer.json
FILES = (*REQUIRED_FILES, "vocabulary.*", "preprocessor_config.json")
WHISPER_RATE_HZ = 16000


class Transcriber:
    """A Whisper model in CTranslate2 format, run by faster-whisper.

    Always on the CPU: each recording is transcribed once, and a GPU would need CUDA libraries of other versions than
    torch's.

    :param folder: must contain :data:`REQUIRED_FILES`.
    :param where: the engine's key path in the configuration, e.g. ``engines.f5``.
    :raises LoadError: if faster-whisper is not installed or the folder holds no such model.
    """

    def __init__(self, folder: Path, threads: int, where: str):
        try:
            package = importlib.import_module("faster_whisper")
        except ImportError as error:
            needs = "needs the package faster-whisper: pip install faster-whisper"
            raise LoadError(f"configuration key {where}.model.asr {needs} ({error})") from error
        for name in REQUIRED_FILES:
            if not (folder / name).is_file():
                raise LoadError(f"{folder}: not a model for faster-whisper: {name} is missing")
        try:
            self._model: Any = package.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
        except (RuntimeError, ValueError, OSError) as error:
            raise LoadError(f"{folder}: not a readable model for faster-whisper ({error})") from error

    def transcribe(self, samples: Audio) -> str:
        """Transcribe speech in any language; the result may be empty.

        One pass, without Whisper's retries at other temperatures: those are random and take several times as long.

        :param samples: mono PCM at 24 kHz, shape (N,), at most 30 s.
        :raises RuntimeError: if the model fails.
        """
        audio = soxr.resample(samples, RATE_HZ, WHISPER_RATE_HZ)
        segments, _ = self._model.transcribe(
            audio, beam_size=5, temperature=0.0, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in segments).strip()
