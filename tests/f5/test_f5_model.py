"""Checkpoints, architectures and vocabularies in the forms they come in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from f5.sampling import CPU, run, sample, write_model
from f5.synthetic import architecture, write_architecture, write_checkpoint, write_vocab, write_vocoder

from backends.base import EngineConfig, no_progress
from backends.errors import InvalidJob, LoadError
from backends.f5.checkpoint import load_network
from backends.f5.loading import load
from backends.f5.model import PRESETS, Architecture, F5Model, read_architecture
from backends.f5.sampler import Sampler
from backends.f5.vocabulary import package_file, read_vocabulary
from backends.f5.vocoder import load_vocoder

OFFICIAL_SYMBOLS = 2545


def made_by(path: Path, folder: Path, symbols: int = OFFICIAL_SYMBOLS) -> torch.Tensor:
    kind = read_architecture(write_architecture(folder, "tiny"))
    with torch.inference_mode():
        network = load_network(path, kind, symbols, CPU, torch.float32)
    return run(Sampler(network, 1000), sample(nfe=2))["s0"]


@pytest.mark.parametrize(
    "form",
    [
        {"prefix": "ema_model.", "format": "safetensors", "mel_buffers": True},
        {"prefix": "", "format": "safetensors"},
        {"prefix": "ema_model.", "format": "pt"},
        {"prefix": "", "format": "pt", "mel_buffers": True},
    ],
    ids=str,
)
def test_every_form_of_a_checkpoint_is_the_same_model(form: dict, tmp_path: Path) -> None:
    expected = made_by(write_checkpoint(tmp_path / "a", "tiny"), tmp_path)
    torch.testing.assert_close(made_by(write_checkpoint(tmp_path / "b", "tiny", **form), tmp_path), expected)


def test_a_training_checkpoint_speaks_with_its_averaged_weights(tmp_path: Path) -> None:
    averaged = write_checkpoint(tmp_path / "a", "tiny", seed=1, format="pt")
    raw = write_checkpoint(tmp_path / "b", "tiny", seed=2, prefix="", format="pt")
    both = {
        **torch.load(averaged, weights_only=True),
        **torch.load(raw, weights_only=True),
        "optimizer_state_dict": {"state": {}},
        "update": 7,
    }
    torch.save(both, tmp_path / "both.pt")
    torch.testing.assert_close(made_by(tmp_path / "both.pt", tmp_path), made_by(averaged, tmp_path))


def test_weights_without_any_prefix_load(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a", "tiny", prefix="", format="pt")
    weights = torch.load(path, weights_only=True)["model_state_dict"]
    torch.save({name.removeprefix("transformer."): value for name, value in weights.items()}, tmp_path / "bare.pt")
    torch.testing.assert_close(made_by(tmp_path / "bare.pt", tmp_path), made_by(path, tmp_path))


def test_a_checkpoint_in_the_old_form_of_torch_loads(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a", "tiny", format="pt")
    content = torch.load(path, weights_only=True)
    torch.save(content, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(made_by(tmp_path / "old.pt", tmp_path), made_by(path, tmp_path))


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a", "tiny")
    for change, complaint in (
        ({"depth": 3}, r"transformer_blocks\.2\.attn_norm\.linear\.weight"),
        ({"depth": 1}, "no place for: transformer_blocks"),
        ({"dim": 96}, r"shape \(64, 256\), but the architecture needs \(96, 256\)"),
        ({"qk_norm": "rms_norm"}, "q_norm"),
        ({"backbone": "UNetT"}, "weights named layers.0.1.g|needs"),
    ):
        arguments = {**architecture("tiny"), **change}
        kind = read_architecture(write_architecture(tmp_path / "other", arguments))
        with pytest.raises(LoadError, match=complaint):
            load_network(path, kind, OFFICIAL_SYMBOLS, CPU, torch.float32)


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a", "tiny", vocab_size=30)
    with pytest.raises(LoadError, match="vocabulary of 30 symbols, but the one given has 2545"):
        made_by(path, tmp_path)


class Harmful:
    def __reduce__(self):
        return print, ("unpickled",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model_state_dict": Harmful()}, tmp_path / "bad.pt")
    with pytest.raises(LoadError, match="would run code"):
        made_by(tmp_path / "bad.pt", tmp_path)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0not a checkpoint", b"<html>not found</html>"])
@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pt"])
def test_a_damaged_checkpoint_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadError, match=rf"{name}: .*(not a readable checkpoint|it is damaged)"):
        made_by(tmp_path / name, tmp_path)


@pytest.mark.parametrize("format", ["safetensors", "pt"])
def test_a_checkpoint_cut_short_is_named(format: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a", "tiny", format=format)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(LoadError, match=rf"model_1\.{format}: not a readable checkpoint"):
        made_by(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "holds a list"),
        ({"ema_model_state_dict": None}, "has no weights named"),
        ({"model_state_dict": 3}, "has no weights named"),
        ({7: torch.zeros(1)}, "has no weights named"),
    ],
    ids=str,
)
def test_a_file_of_something_else_is_refused(content: object, complaint: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(LoadError, match=rf"odd\.pt: {complaint}"):
        made_by(tmp_path / "odd.pt", tmp_path)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a", "tiny", format="pt")
    weights = torch.load(path, weights_only=True)["ema_model_state_dict"]
    torch.save({name: value.to(torch.int8) for name, value in weights.items()}, tmp_path / "int8.pt")
    with pytest.raises(LoadError, match=r"int8\.pt: .* holds int8"):
        made_by(tmp_path / "int8.pt", tmp_path)


def test_the_presets_are_the_packages() -> None:
    kinds = {name: read_architecture(package_file(f"configs/{name}.yaml")) for name in PRESETS}
    base = Architecture(
        backbone="DiT", dim=1024, depth=22, heads=16, ff_mult=2, text_dim=512, conv_layers=4, text_mask_padding=True
    )
    assert kinds["F5TTS_v1_Base"] == base
    assert not kinds["F5TTS_Base"].text_mask_padding
    assert kinds["F5TTS_Base"].pe_attn_head == 1
    assert kinds["E2TTS_Base"].backbone == "UNetT"
    assert kinds["E2TTS_Base"].text_width == 100


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"arch": {"dim": 64, "wings": 2}}, r"model\.arch\.wings: unknown key"),
        ({"arch": {"depth": 2}}, "dim"),
        ({"arch": None}, "no model.arch block"),
        ({"backbone": "MMDiT"}, r"model\.arch\.backbone"),
        ({"backbone": "UNetT", "arch": {"dim": 64, "depth": 3}}, r"model\.arch\.depth"),
        ({"mel_spec": ["vocos"]}, r"model\.mel_spec: has to be a block"),
        ({"mel_spec": {"mel_spec_type": "bigvgan"}}, r"model\.mel_spec\.mel_spec_type: 'bigvgan' is not supported"),
    ],
)
def test_an_architecture_it_cannot_build_is_refused_by_key(change: dict, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "arch.yaml"
    path.write_text(yaml.safe_dump({"model": {"backbone": "DiT", "arch": {"dim": 64}, **change}}))
    with pytest.raises(LoadError, match=complaint):
        read_architecture(path)


def test_the_vocabulary_turns_text_into_the_packages_ids() -> None:
    vocabulary = read_vocabulary(package_file("infer/examples/vocab.txt"))
    assert len(vocabulary) == OFFICIAL_SYMBOLS
    lines = package_file("infer/examples/vocab.txt").read_text().split("\n")
    assert [lines[index] for index in vocabulary.ids("Hi, 你好")] == ["H", "i", ",", " ", " ", "ni2", " ", "hao3"]
    assert vocabulary.ids("🜁") == [0]
    vocabulary.require("Hi 🜁 42")
    with pytest.raises(InvalidJob, match="ꙮ"):
        vocabulary.require("aꙮ")


def test_a_reading_that_only_context_gives_is_no_reason_to_refuse_or_to_leave_out_a_character() -> None:
    vocabulary = read_vocabulary(package_file("infer/examples/vocab.txt"))
    lines = package_file("infer/examples/vocab.txt").read_text().split("\n")
    text = "这个很有意思，弟弟！"
    vocabulary.require(text)
    spoken = "zhe4 ge4 hen3 you3 yi4 si1 ， di4 di4 ！".split()
    assert [lines[index] for index in vocabulary.ids(text) if index] == spoken
    with pytest.raises(InvalidJob, match="cun3"):
        vocabulary.require("思忖")


def test_an_accent_that_is_no_symbol_of_its_own_is_put_on_its_letter(tmp_path: Path) -> None:
    vocabulary = read_vocabulary(write_vocab(tmp_path, " acefé"))
    assert vocabulary.ids("cafe\u0301") == vocabulary.ids("café")
    vocabulary.require("cafe\u0301")
    with pytest.raises(InvalidJob, match="ê"):
        vocabulary.require("cafe\u0302")
    vocabulary = read_vocabulary(write_vocab(tmp_path, " acef\u0301"))
    assert vocabulary.ids("cafe\u0301")[-1] == 5


def test_a_vocabulary_without_a_last_line_break_keeps_its_last_symbol(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text(" \na\nb")
    assert read_vocabulary(tmp_path / "vocab.txt").ids("ab") == [1, 2]
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(LoadError, match="first line is a space"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_the_vocabulary_beside_the_checkpoint_is_used(tmp_path: Path) -> None:
    model = write_model(tmp_path, "tiny", vocab_size=4)
    write_vocab(Path(model["checkpoint"]).parent, " abc")
    loaded = load(F5Model(**model), EngineConfig("f5", device="cpu", dtype="float32"), no_progress)
    assert len(loaded.vocabulary) == 4
    elsewhere = write_vocab(tmp_path / "elsewhere", " abcd")
    with pytest.raises(LoadError, match="4 symbols, but the one given has 5"):
        load(F5Model(**model, vocab=str(elsewhere)), EngineConfig("f5", device="cpu", dtype="float32"), no_progress)


@pytest.mark.parametrize("key", ["checkpoint", "architecture", "vocab", "vocoder"])
def test_a_missing_file_is_named(key: str, tmp_path: Path) -> None:
    model = {**write_model(tmp_path, "tiny"), key: str(tmp_path / "nowhere.x")}
    with pytest.raises(LoadError, match=r"nowhere\.x"):
        load(F5Model(**model), EngineConfig("f5", device="cpu"), no_progress)


def test_the_vocoder_is_voco_s_own(tmp_path: Path) -> None:
    from vocos import Vocos

    folder = write_vocoder(tmp_path)
    official = Vocos.from_hparams(str(folder / "config.yaml"))
    official.load_state_dict(torch.load(folder / "pytorch_model.bin", weights_only=True))
    mels = [torch.randn(length, 100) for length in (40, 25, 40, 2)]
    for mel, wave in zip(mels, load_vocoder(folder, CPU).decode(mels), strict=True):
        torch.testing.assert_close(wave, official.eval().decode(mel.T[None])[0], rtol=0, atol=1e-5)
        assert len(wave) == (len(mel) - 1) * 256


def test_a_vocoder_without_memory_says_so_of_each_mel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    vocoder = load_vocoder(write_vocoder(tmp_path), CPU)
    monkeypatch.setattr(torch, "stack", no_room)
    assert vocoder.decode([torch.zeros(5, 100), torch.zeros(5, 100)]) == ["no room", "no room"]


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("head", {"class_path": "os.system"}, r"head\.class_path"),
        ("backbone", {"init_args": {"dim": 32}}, "does not fit backbone"),
        ("head", {"init_args": {"dim": 64, "n_fft": 1024, "hop_length": 256, "padding": "odd"}}, "does not fit head"),
        ("head", {"init_args": {"dim": 64, "n_fft": 1024, "hop_length": 128}}, r"head\.hop_length: 128"),
    ],
)
def test_a_vocoder_of_another_kind_is_refused(part: str, change: dict, complaint: str, tmp_path: Path) -> None:
    folder = write_vocoder(tmp_path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config[part] |= change
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(LoadError, match=complaint):
        load_vocoder(folder, CPU)


def test_only_what_inference_needs_is_imported() -> None:
    heavy = ("wandb", "accelerate", "datasets", "transformers", "librosa", "x_transformers", "gradio", "matplotlib")
    code = (
        "import sys, backends.f5.loading as l, backends.f5.vocabulary as v, vocos.models, vocos.heads\n"
        "v.read_vocabulary(v.package_file('infer/examples/vocab.txt'))\n"
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_the_engine_s_module_needs_no_torch() -> None:
    code = "import sys, backends.f5.engine; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
