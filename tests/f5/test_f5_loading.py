"""Model loading: configured files are found or named, and nothing but inference code is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.f5.sampling import write_model
from support.f5.synthetic import write_vocab

from backends.base import EngineConfig, no_progress
from backends.errors import LoadError
from backends.f5.config import F5Config
from backends.f5.loading import load

ENGINE = EngineConfig("f5", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A checkpoint with a vocabulary of four symbols beside it."""
    files = write_model(tmp_path_factory.mktemp("f5"), "tiny", vocab_size=4)
    write_vocab(Path(files["checkpoint"]).parent, " abc")
    return files


def test_vocabulary_beside_the_checkpoint_is_used(model: dict[str, str]) -> None:
    assert len(load(F5Config(**model), ENGINE, no_progress).vocabulary) == 4


def test_configured_vocabulary_overrides_the_one_beside_the_checkpoint(model: dict[str, str], tmp_path: Path) -> None:
    vocab = write_vocab(tmp_path, " abcd")
    with pytest.raises(LoadError, match="4 symbols, but the configured one has 5"):
        load(F5Config(**model, vocab=str(vocab)), ENGINE, no_progress)


@pytest.mark.parametrize("key", ["checkpoint", "architecture", "vocab", "vocoder"])
def test_missing_file_is_named(key: str, model: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"nowhere\.x"):
        load(F5Config(**{**model, key: str(tmp_path / "nowhere.x")}), ENGINE, no_progress)


def test_worker_imports_neither_vocos_nor_training_libraries(model: dict[str, str]) -> None:
    """Both f5-mini and a checkpoint in the official layout are loaded."""
    unwanted = ("wandb", "accelerate", "datasets", "transformers", "librosa", "x_transformers", "gradio", "matplotlib")
    unwanted += ("vocos", "encodec", "unidecode", "f5_tts", "scipy")
    mini = "package://backends.f5/assets/f5_mini"
    small = {"checkpoint": f"{mini}/f5-mini.safetensors", "vocoder": f"{mini}/vocoder", "voices": f"{mini}/voices"}
    code = (
        "import sys, backends.f5.loading as l, backends.base as b\n"
        f"for model in ({small | {'architecture': f'{mini}/config.yaml'}}, {model}):\n"
        "    l.load(l.F5Config(**model), b.EngineConfig('f5', device='cpu', dtype='float32'), b.no_progress)\n"
        f"print(*[name for name in {unwanted} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
