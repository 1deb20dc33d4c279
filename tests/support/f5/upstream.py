"""f5-tts's own inference code, for parity tests. Importing it takes several seconds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn

# Imports of f5-tts that these tests do not use: slow ones (the trainer, plots, speech recognition), and vocos, which is
# not installed.
SUBSTITUTED = ("f5_tts.model.trainer", "matplotlib", "matplotlib.pylab", "transformers", "vocos")


@contextmanager
def _substituted_imports() -> Iterator[None]:
    """Substitute mocks for :data:`SUBSTITUTED` during an import, except for modules that are imported already."""
    package = sys.modules.get("f5_tts.model")
    if package is not None and not hasattr(package, "CFM"):  # the substitute from synthetic.official_class
        del sys.modules["f5_tts.model"]
    mocks = {name: MagicMock() for name in SUBSTITUTED if name not in sys.modules}
    sys.modules.update(mocks)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in mocks:
            del sys.modules[name]


@lru_cache(maxsize=1)
def utils_infer() -> ModuleType:
    """Import ``f5_tts.infer.utils_infer``."""
    with _substituted_imports():
        from f5_tts.infer import utils_infer as module
    return module


@lru_cache(maxsize=1)
def cfm_class() -> type[nn.Module]:
    """Import ``f5_tts.model.cfm.CFM``."""
    with _substituted_imports():
        from f5_tts.model.cfm import CFM
    return CFM


def preprocess(path: Path, text: str) -> tuple[str, str]:
    """Run ``preprocess_ref_audio_text``; return the path of the preprocessed recording, and the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves files open
        return utils_infer().preprocess_ref_audio_text(str(path), text, show_info=lambda _: None)


class Probe:
    """Replaces model and vocoder; records the calls and returns the given waves."""

    def __init__(self, waves: Sequence[np.ndarray] = ()):
        self.waves = list(waves)
        self.calls: list[dict[str, Any]] = []

    def sample(self, **arguments: Any) -> tuple[torch.Tensor, None]:
        self.calls.append(arguments)
        return torch.zeros(1, arguments["duration"], 100), None

    def decode(self, mel: torch.Tensor) -> torch.Tensor:
        wave = self.waves[len(self.calls) - 1] if self.waves else np.zeros(mel.shape[-1] * 256, np.float32)
        return torch.from_numpy(wave)[None]


class SerialExecutor:
    """Replaces the thread pool, so that the probe's calls have a fixed order."""

    def __enter__(self) -> SerialExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Any, *arguments: Any) -> Any:
        result = function(*arguments)

        class Done:
            def result(self) -> Any:
                return result

        return Done()


def infer_batch(
    monkeypatch: Any, reference: tuple[torch.Tensor, int], ref_text: str, texts: list[str], **options: Any
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Run ``infer_batch_process`` on a :class:`Probe`; return its calls and the joined wave.

    :param options: ``waves`` for the probe; the others are passed on.
    """
    probe = Probe(options.pop("waves", ()))
    monkeypatch.setattr(utils_infer(), "ThreadPoolExecutor", SerialExecutor)
    results = utils_infer().infer_batch_process(reference, ref_text, texts, probe, probe, progress=None, **options)
    wave, _, _ = next(results)
    return probe.calls, wave
