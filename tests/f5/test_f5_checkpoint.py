"""Checkpoint loading: every published layout loads, and any other file is rejected by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.f5.sampling import CPU, random_sample, run
from support.f5.synthetic import architecture, write_architecture, write_checkpoint

from backends.errors import LoadError
from backends.f5.checkpoint import load_model
from backends.f5.config import Architecture, read_architecture
from backends.f5.sampler import Sampler

VOCAB_SIZE = 8


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    return read_architecture(write_architecture(tmp_path_factory.mktemp("architecture"), "tiny"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the layout of the official ones: averaged weights as safetensors."""
    return write_checkpoint(tmp_path_factory.mktemp("published"), "tiny", vocab_size=VOCAB_SIZE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights in the layout of f5-tts's trainer."""
    return write_checkpoint(tmp_path_factory.mktemp("trained"), "tiny", format="pt", vocab_size=VOCAB_SIZE)


def mel_of(path: Path, tiny: Architecture, vocab_size: int = VOCAB_SIZE) -> torch.Tensor:
    with torch.inference_mode():
        model = load_model(path, tiny, vocab_size, CPU, torch.float32)
    sample = random_sample(nfe=2, text_ids=[1, 2, 3])
    return run(Sampler(model, 1000), sample)[sample.id]


@pytest.mark.parametrize(
    "layout",
    [
        {"prefix": "ema_model.", "format": "safetensors", "mel_buffers": True},
        {"prefix": "", "format": "safetensors"},
        {"prefix": "ema_model.", "format": "pt"},
        {"prefix": "", "format": "pt", "mel_buffers": True},
    ],
    ids=str,
)
def test_every_checkpoint_layout_gives_the_same_model(
    published: Path, tiny: Architecture, layout: dict, tmp_path: Path
) -> None:
    path = write_checkpoint(tmp_path, "tiny", vocab_size=VOCAB_SIZE, **layout)
    torch.testing.assert_close(mel_of(path, tiny), mel_of(published, tiny))


def test_training_checkpoint_uses_averaged_weights(trained: Path, tiny: Architecture, tmp_path: Path) -> None:
    raw = write_checkpoint(tmp_path / "raw", "tiny", seed=2, prefix="", format="pt", vocab_size=VOCAB_SIZE)
    both = {
        **torch.load(trained, weights_only=True),
        **torch.load(raw, weights_only=True),
        "optimizer_state_dict": {"state": {}},
        "update": 7,
    }
    torch.save(both, tmp_path / "both.pt")
    torch.testing.assert_close(mel_of(tmp_path / "both.pt", tiny), mel_of(trained, tiny))


def test_weights_without_any_prefix_load(trained: Path, tiny: Architecture, tmp_path: Path) -> None:
    weights = torch.load(trained, weights_only=True)["ema_model_state_dict"]
    bare = {name.removeprefix("ema_model.transformer."): value for name, value in weights.items()}
    torch.save({name: bare[name] for name in bare if name not in ("initted", "step")}, tmp_path / "bare.pt")
    torch.testing.assert_close(mel_of(tmp_path / "bare.pt", tiny), mel_of(trained, tiny))


def test_legacy_torch_format_loads(trained: Path, tiny: Architecture, tmp_path: Path) -> None:
    content = torch.load(trained, weights_only=True)
    torch.save(content, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(mel_of(tmp_path / "legacy.pt", tiny), mel_of(trained, tiny))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3}, r"transformer_blocks\.2\.attn_norm\.linear\.weight"),
        ({"depth": 1}, "no place for: transformer_blocks"),
        ({"dim": 96}, r"shape \(64, 256\), but the architecture needs \(96, 256\)"),
        ({"qk_norm": "rms_norm"}, "q_norm"),
        ({"backbone": "UNetT"}, "weights named layers.0.1.g|needs"),
    ],
    ids=str,
)
def test_checkpoint_of_another_architecture_is_rejected(
    published: Path, change: dict, message: str, tmp_path: Path
) -> None:
    other = read_architecture(write_architecture(tmp_path, {**architecture("tiny"), **change}))
    with pytest.raises(LoadError, match=message):
        load_model(published, other, VOCAB_SIZE, CPU, torch.float32)


def test_checkpoint_of_another_vocabulary_is_rejected(published: Path, tiny: Architecture) -> None:
    with pytest.raises(LoadError, match=f"vocabulary of {VOCAB_SIZE} symbols, but the configured one has 2545"):
        mel_of(published, tiny, 2545)


class Harmful:
    def __reduce__(self):
        return print, ("unpickled",)


def test_checkpoint_that_would_run_code_is_rejected(
    tiny: Architecture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model_state_dict": Harmful()}, tmp_path / "bad.pt")
    with pytest.raises(LoadError, match="would run code"):
        mel_of(tmp_path / "bad.pt", tiny)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0not a checkpoint", b"<html>not found</html>"])
@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pt"])
def test_damaged_checkpoint_is_rejected_by_name(name: str, content: bytes, tiny: Architecture, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadError, match=rf"{name}: .*(not a readable checkpoint|the file is damaged)"):
        mel_of(tmp_path / name, tiny)


@pytest.mark.parametrize("layout", ["published", "trained"])
def test_truncated_checkpoint_is_rejected_by_name(
    layout: str, tiny: Architecture, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source: Path = request.getfixturevalue(layout)
    (tmp_path / source.name).write_bytes(source.read_bytes()[:-1000])
    with pytest.raises(LoadError, match=rf"model_1\{source.suffix}: not a readable checkpoint"):
        mel_of(tmp_path / source.name, tiny)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        ({"ema_model_state_dict": None}, "has no weights named"),
        ({"model_state_dict": 3}, "has no weights named"),
        ({7: torch.zeros(1)}, "has no weights named"),
    ],
    ids=str,
)
def test_file_without_weights_is_rejected_by_name(
    content: object, message: str, tiny: Architecture, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(LoadError, match=rf"odd\.pt: {message}"):
        mel_of(tmp_path / "odd.pt", tiny)


def test_quantized_weights_are_rejected(trained: Path, tiny: Architecture, tmp_path: Path) -> None:
    weights = torch.load(trained, weights_only=True)["ema_model_state_dict"]
    torch.save({name: value.to(torch.int8) for name, value in weights.items()}, tmp_path / "int8.pt")
    with pytest.raises(LoadError, match=r"int8\.pt: .* is int8"):
        mel_of(tmp_path / "int8.pt", tiny)
