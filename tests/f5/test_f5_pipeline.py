"""The whole engine: the same audio from recording and text as f5-tts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from support.f5 import upstream
from support.f5.sampling import write_model
from support.f5.synthetic import architecture, official_class

from backends.base import AudioChunk, EngineConfig, Finished, Job, Reference
from backends.f5.builtin_voices import PACKAGE_CLIPS
from backends.f5.engine import F5Engine
from backends.f5.plugin import F5Plugin
from backends.f5.vocabulary import package_file
from backends.f5.vocoder import load_vocoder

TEXT = "It was a bright cold day in April, and the clocks were striking."
NFE = 7


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_model(tmp_path_factory.mktemp("f5"), "tiny")


@pytest.fixture(scope="module")
def engine(model: dict[str, str]) -> Iterator[F5Engine]:
    built = F5Plugin(EngineConfig("f5", device="cpu", dtype="float32", model=model)).load()
    yield built
    built.close()


@pytest.fixture(scope="module")
def official(model: dict[str, str]) -> tuple[Any, Any]:
    """f5-tts's model, from the same file, and the engine's vocoder, which test_f5_vocoder.py compares with vocos."""
    arguments = architecture("tiny")
    cls = official_class(arguments.pop("backbone"))
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = upstream.utils_infer().load_model(cls, arguments, model["checkpoint"], device="cpu")
    return loaded, SimpleNamespace(decode=load_vocoder(Path(model["vocoder"]), torch.device("cpu")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package clip at another rate and a lower level, so that it must be resampled and amplified."""
    samples, rate_hz = soundfile.read(package_file(PACKAGE_CLIPS[0].file), dtype="float32")
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, 0.2 * samples[::2], rate_hz // 2, subtype="PCM_16")
    return path


def official_audio(official: tuple[Any, Any], path: Path, ref_text: str, text: str, seed: int) -> np.ndarray:
    """Run ``infer_process``."""
    with contextlib.redirect_stdout(io.StringIO()):
        audio_path, transcript = upstream.preprocess(path, ref_text)
        torch.manual_seed(seed)
        wave, _, _ = upstream.utils_infer().infer_process(
            audio_path,
            transcript,
            text,
            *official,
            nfe_step=NFE,
            device="cpu",
            progress=None,
            show_info=lambda _: None,
        )
    return wave


@pytest.mark.parametrize("text", [TEXT, "Hi.", "今天天气很好, isn't it?"])
def test_one_chunk_matches_infer_process(engine: F5Engine, official: tuple[Any, Any], clip: Path, text: str) -> None:
    samples, rate_hz = soundfile.read(clip, dtype="float32")
    reference = Reference(samples, rate_hz, PACKAGE_CLIPS[0].text, "clip")
    engine.add(Job("a", text, seed=5, reference=reference, options={"nfe": NFE}))
    parts: list[np.ndarray] = []
    finished = False
    while not finished:
        for event in engine.step():
            parts += [event.samples] if isinstance(event, AudioChunk) else []
            finished = finished or isinstance(event, Finished)
    expected = official_audio(official, clip, PACKAGE_CLIPS[0].text, text, seed=5)
    found = np.concatenate(parts)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
