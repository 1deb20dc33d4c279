"""Vocoder: the same audio as Vocos, and other vocoders are rejected."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support.f5.sampling import CPU
from support.f5.synthetic import write_vocoder

from backends.errors import LoadError
from backends.f5.vocoder import load_vocoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vocoder(tmp_path_factory.mktemp("vocoder"))


def test_audio_is_that_of_vocos_0_1_0() -> None:
    """Written by the package with the vocoder of f5-mini."""
    golden = np.load(Path(__file__).parent / "golden/vocos.npz")
    vocoder = load_vocoder(Path(str(files("backends.f5") / "assets/f5_mini/vocoder")), CPU)
    (wave,) = vocoder.decode([torch.from_numpy(golden["mel"])])
    np.testing.assert_allclose(np.asarray(wave), golden["samples"], rtol=0, atol=1e-6)


def test_mels_of_any_length_decode_as_with_vocos(folder: Path) -> None:
    vocos = pytest.importorskip("vocos", reason="no dependency: it imports encodec, which is not for commercial use")
    official = vocos.Vocos.from_hparams(str(folder / "config.yaml"))
    official.load_state_dict(torch.load(folder / "pytorch_model.bin", weights_only=True), strict=False)
    mels = [torch.randn(length, 100) for length in (40, 25, 40, 2)]
    for mel, wave in zip(mels, load_vocoder(folder, CPU).decode(mels), strict=True):
        torch.testing.assert_close(wave, official.eval().decode(mel.T[None])[0], rtol=0, atol=1e-5)
        assert len(wave) == (len(mel) - 1) * 256


def test_out_of_memory_is_reported_for_each_mel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    vocoder = load_vocoder(folder, CPU)
    monkeypatch.setattr(torch, "stack", out_of_memory)
    assert vocoder.decode([torch.zeros(5, 100), torch.zeros(5, 100)]) == ["out of memory", "out of memory"]


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("head", {"class_path": "os.system"}, r"head\.class_path"),
        ("backbone", {"init_args": {"dim": 32}}, "does not fit backbone"),
        (
            "head",
            {"init_args": {"dim": 64, "n_fft": 1024, "hop_length": 256, "padding": "same"}},
            "padding 'same' is not supported",
        ),
        (
            "head",
            {"init_args": {"dim": 64, "n_fft": 1024, "hop_length": 128, "padding": "center"}},
            r"head\.hop_length: 128",
        ),
    ],
)
def test_unsupported_vocoder_is_rejected_by_key(
    folder: Path, part: str, change: dict, message: str, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config[part] |= change
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(LoadError, match=message):
        load_vocoder(tmp_path, CPU)
