"""f5-tts's own inference code, to compare with. Importing it takes half a minute on a small machine."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch


@lru_cache(maxsize=1)
def utils_infer() -> ModuleType:
    """``f5_tts.infer.utils_infer``."""
    package = sys.modules.get("f5_tts.model")
    if package is not None and not hasattr(package, "CFM"):  # a stand-in without the trainer
        del sys.modules["f5_tts.model"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from f5_tts.infer import utils_infer as module
    return module


def prepare(path: Path, text: str) -> tuple[str, str]:
    """``preprocess_ref_audio_text``: the prepared recording's path, and the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves files open
        return utils_infer().preprocess_ref_audio_text(str(path), text, show_info=lambda _: None)


class Probe:
    """Stands where the model and the vocoder are; notes what they are given and answers with given waves."""

    def __init__(self, waves: Sequence[np.ndarray] = ()):
        self.waves = list(waves)
        self.calls: list[dict[str, Any]] = []

    def sample(self, **given: Any) -> tuple[torch.Tensor, None]:
        self.calls.append(given)
        return torch.zeros(1, given["duration"], 100), None

    def decode(self, mel: torch.Tensor) -> torch.Tensor:
        wave = self.waves[len(self.calls) - 1] if self.waves else np.zeros(mel.shape[-1] * 256, np.float32)
        return torch.from_numpy(wave)[None]


class OneAfterAnother:
    """In place of the thread pool, so that the probe's calls have an order."""

    def __enter__(self) -> OneAfterAnother:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Any, *arguments: Any) -> Any:
        result = function(*arguments)

        class Done:
            def result(self) -> Any:
                return result

        return Done()


def batch(monkeypatch: Any, reference: tuple[torch.Tensor, int], ref_text: str, pieces: list[str], **options: Any):
    """``infer_batch_process`` on a :class:`Probe`: its calls, and the joined wave."""
    probe = Probe(options.pop("waves", ()))
    monkeypatch.setattr(utils_infer(), "ThreadPoolExecutor", OneAfterAnother)
    made = utils_infer().infer_batch_process(reference, ref_text, pieces, probe, probe, progress=None, **options)
    wave, _, _ = next(made)
    return probe.calls, wave
