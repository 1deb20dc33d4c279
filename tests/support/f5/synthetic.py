"""Checkpoints in the official layouts with random weights, for tests and benchmarks."""

from __future__ import annotations

import importlib
import shutil
import sys
import warnings
from collections.abc import Mapping
from importlib.machinery import PathFinder
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from backends.f5.vocos import ISTFTHead, VocosBackbone

MEL_CHANNELS = 100
OFFICIAL_VOCAB_SIZE = 2545
MEL_SPEC = {
    "target_sample_rate": 24000,
    "n_mel_channels": MEL_CHANNELS,
    "hop_length": 256,
    "win_length": 1024,
    "n_fft": 1024,
    "mel_spec_type": "vocos",
}

_TINY = {"dim": 64, "depth": 2, "heads": 2, "dim_head": 32}
_V1 = {"text_mask_padding": True, "pe_attn_head": None}
_V0 = {"text_mask_padding": False, "pe_attn_head": 1}
TINY: dict[str, dict[str, Any]] = {
    "tiny": {"backbone": "DiT", **_TINY, "ff_mult": 2, "text_dim": 32, "conv_layers": 2, **_V1},
    "tiny_v0": {"backbone": "DiT", **_TINY, "ff_mult": 2, "text_dim": 32, "conv_layers": 2, **_V0},
    "tiny_e2": {"backbone": "UNetT", **_TINY, "ff_mult": 2, **_V0},
}
"""Small variants of F5TTS_v1, F5TTS_Base and E2TTS_Base."""


def architecture(name: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return ``backbone`` and the arguments of its class.

    :param name: a key of :data:`TINY`, the name of an official configuration, or the arguments themselves.
    """
    if not isinstance(name, str):
        return {"backbone": "DiT", **name}
    if name in TINY:
        return dict(TINY[name])
    model = yaml.safe_load(files("f5_tts").joinpath(f"configs/{name}.yaml").read_text())["model"]
    return {"backbone": model["backbone"], **model["arch"]}


def official_class(backbone: str) -> type[nn.Module]:
    """Import DiT or UNetT from f5-tts without the package's ``__init__``, which imports the trainer (some 15 s).

    A substitute package takes its place during the import and is removed afterwards, so that a later import of the
    whole package still works.
    """
    module = {"DiT": "dit", "UNetT": "unett"}[backbone]
    package = "f5_tts.model"
    substitute = None
    if package not in sys.modules:
        spec = PathFinder.find_spec(package, list(importlib.import_module("f5_tts").__path__))
        assert spec is not None
        substitute = ModuleType(package)
        substitute.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[package] = substitute
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(f"{package}.backbones.{module}"), backbone)
    finally:
        if substitute is not None:
            del sys.modules[package]


def _randomize_zeros(model: nn.Module) -> None:
    """Randomize parameters that start at zero (AdaLN, proj_out, GRN); otherwise every output would be zero."""
    for name, parameter in model.named_parameters():
        if not torch.any(parameter):
            nn.init.normal_(parameter, std=0.02 if "proj_out" not in name else 0.05)


def random_model(arch: str | Mapping[str, Any], seed: int = 0, vocab_size: int = OFFICIAL_VOCAB_SIZE) -> nn.Module:
    """Build the official class with seeded random weights."""
    arguments = architecture(arch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cls = official_class(arguments.pop("backbone"))
        model = cls(**arguments, text_num_embeds=vocab_size, mel_dim=MEL_CHANNELS)
        _randomize_zeros(model)
    return model.eval()


def write_checkpoint(
    folder: Path,
    arch: str | Mapping[str, Any],
    seed: int = 0,
    prefix: str = "ema_model.",
    format: Literal["safetensors", "pt"] = "safetensors",
    vocab_size: int = OFFICIAL_VOCAB_SIZE,
    mel_buffers: bool = False,
) -> Path:
    """Write ``model_1.safetensors`` or ``.pt`` with the tensor names of official checkpoints.

    :param prefix: ``ema_model.`` for averaged weights, as published; empty for raw ones, as in some fine-tunes.
    :param mel_buffers: add the two spectrogram buffers of checkpoints from 2024, which loaders ignore.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        f"{prefix}transformer.{name}": value
        for name, value in random_model(arch, seed, vocab_size).state_dict().items()
    }
    if mel_buffers:
        weights[f"{prefix}mel_spec.mel_stft.mel_scale.fb"] = torch.zeros(513, MEL_CHANNELS)
        weights[f"{prefix}mel_spec.mel_stft.spectrogram.window"] = torch.hann_window(1024)
    if prefix:
        weights["initted"] = torch.tensor(True)
        weights["step"] = torch.tensor(1)
    path = folder / f"model_1.{format}"
    if format == "safetensors":
        save_file({name: value.contiguous().clone() for name, value in weights.items()}, path)
    else:
        torch.save({"ema_model_state_dict" if prefix else "model_state_dict": weights}, path)
    return path


def write_architecture(folder: Path, arch: str | Mapping[str, Any]) -> Path:
    """Write ``architecture.yaml`` in the format of f5-tts's training configurations."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = architecture(arch)
    backbone = arguments.pop("backbone")
    model = {"name": "Mine", "tokenizer": "custom", "backbone": backbone, "arch": arguments, "mel_spec": MEL_SPEC}
    path = folder / "architecture.yaml"
    path.write_text(yaml.safe_dump({"model": model}, sort_keys=False))
    return path


def write_vocab(folder: Path, symbols: str | None = None) -> Path:
    """Write ``vocab.txt``, one symbol per line; the official one by default. The first of ``symbols`` is a space."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.txt"
    if symbols is None:
        shutil.copyfile(str(files("f5_tts").joinpath("infer/examples/vocab.txt")), path)
    else:
        path.write_text("".join(f"{symbol}\n" for symbol in symbols), encoding="utf-8")
    return path


def write_vocoder(folder: Path, seed: int = 0, dim: int = 64, layers: int = 2) -> Path:
    """Write a Vocos folder in the layout of charactr/vocos-mel-24khz (there dim 512, 8 layers); return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    spectrum = {"n_fft": 1024, "hop_length": 256, "padding": "center"}
    config = {
        "feature_extractor": {
            "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
            "init_args": {"sample_rate": 24000, "n_mels": MEL_CHANNELS, **spectrum},
        },
        "backbone": {
            "class_path": "vocos.models.VocosBackbone",
            "init_args": {
                "input_channels": MEL_CHANNELS,
                "dim": dim,
                "intermediate_dim": 3 * dim,
                "num_layers": layers,
            },
        },
        "head": {"class_path": "vocos.heads.ISTFTHead", "init_args": {"dim": dim, **spectrum}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = {"backbone": VocosBackbone(**config["backbone"]["init_args"]), "head": ISTFTHead(dim=dim, **spectrum)}
    weights = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    torch.save(
        weights | {"feature_extractor.mel_spec.mel_scale.fb": torch.zeros(513, 100)}, folder / "pytorch_model.bin"
    )
    return folder
