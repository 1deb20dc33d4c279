"""From recording and text to audio as f5-tts does it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from f5 import upstream
from f5.sampling import write_model
from f5.synthetic import architecture, official_class

from backends.base import AudioChunk, EngineConfig, Finished, Job, Reference
from backends.f5.engine import F5Engine
from backends.f5.vocabulary import package_file
from backends.f5.voices import SHIPPED

TEXT = "It was a bright cold day in April, and the clocks were striking."
NFE = 7


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_model(tmp_path_factory.mktemp("f5"), "tiny")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A shipped clip at another rate, quietly: the reference is resampled and raised."""
    samples, rate_hz = soundfile.read(package_file(SHIPPED[0].file), dtype="float32")
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.2 * samples[::2], rate_hz // 2, subtype="PCM_16")
    return path


def by_f5_tts(model: dict[str, str], path: Path, ref_text: str, text: str, seed: int) -> np.ndarray:
    """``infer_process`` on the same files."""
    arguments = architecture("tiny")
    utils = upstream.utils_infer()
    with contextlib.redirect_stdout(io.StringIO()):
        cls = official_class(arguments.pop("backbone"))
        loaded = utils.load_model(cls, arguments, model["checkpoint"], device="cpu")
        vocoder = utils.load_vocoder(is_local=True, local_path=model["vocoder"], device="cpu")
        prepared, closed = upstream.prepare(path, ref_text)
        torch.manual_seed(seed)
        wave, _, _ = utils.infer_process(
            prepared, closed, text, loaded, vocoder, nfe_step=NFE, device="cpu", progress=None, show_info=lambda _: None
        )
    return wave


@pytest.mark.parametrize("text", [TEXT, "Hi.", "今天天气很好, isn't it?"])
def test_one_piece_sounds_as_from_infer_process(model: dict[str, str], clip: Path, text: str) -> None:
    samples, rate_hz = soundfile.read(clip, dtype="float32")
    engine = F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model=model))
    engine.load()
    reference = Reference(samples, rate_hz, SHIPPED[0].text, "clip")
    engine.add(Job("a", text, seed=5, reference=reference, options={"nfe": NFE}))
    parts: list[np.ndarray] = []
    ended = False
    while not ended:
        for event in engine.step():
            parts += [event.samples] if isinstance(event, AudioChunk) else []
            ended = ended or isinstance(event, Finished)
    expected = by_f5_tts(model, clip, SHIPPED[0].text, text, seed=5)
    found = np.concatenate(parts)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
