"""Codec checkpoints in the official layout with synthetic weights, in the published size or small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from support.fish import GOLDEN
from support.fish.weights import tensors

from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.vqgan import VQGAN, Codes

NARROWER = 8  # factor by which the layers of a small codec are narrower
MELS, CODES = 80, 160  # sizes that a small codec keeps
DISCRIMINATOR = {
    "discriminator.discriminators.0.convs.0.weight_orig": (16, 1, 15),
    "discriminator.discriminators.0.convs.0.weight_u": (16,),
    "discriminator.discriminators.1.convs.0.weight_g": (32, 1, 1, 1),
    "discriminator.discriminators.1.convs.0.weight_v": (32, 1, 5, 1),
}


def codec_shapes(small: bool = False) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of an official checkpoint, without the discriminator."""
    official = json.loads((GOLDEN / "vqgan_v1_keys.json").read_text())
    return {name: _narrow(name, shape) if small else tuple(shape) for name, shape in official.items()}


def codec_tensors(small: bool = False, seed: int = 1) -> dict[str, torch.Tensor]:
    """Return a checkpoint's content. The spectrogram's constants in it are noise, to detect a codec that reads them."""
    return tensors({**codec_shapes(small), **DISCRIMINATOR}, seed)


def write_codec(folder: Path, small: bool = False, seed: int = 1) -> Path:
    """Write ``vqgan-v1.pth``: 83 MB, or 1.8 MB if small."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vqgan-v1.pth"
    torch.save(codec_tensors(small, seed), path)
    return path


def _narrow(name: str, shape: list[int]) -> tuple[int, ...]:
    if name.startswith("mel_transform."):
        return tuple(shape)
    widths = tuple(size if size in (1, MELS, CODES) else size // NARROWER for size in shape[:2])
    # a codebook's last dimension is a width, a kernel's is not
    last = tuple(size // NARROWER for size in shape[2:]) if "._codebook." in name else tuple(shape[2:])
    return widths + last


def load_synthetic(folder: Path, small: bool = False, dtype: torch.dtype = torch.float32) -> VQGAN:
    """Write and load a codec."""
    return load_vqgan(write_codec(folder, small), torch.device("cpu"), dtype)


@torch.inference_mode()
def decode_whole(codec: VQGAN, codes: Codes) -> np.ndarray:
    """Decode codes in one pass, without windows, in the codec's own precision."""
    x = codec.to_device(codes[None])
    for stage in codec.chain.stages:
        x = stage.run(x)
    return x[0, 0].numpy()


def random_codes(frames: int, seed: int = 0) -> Codes:
    return np.random.default_rng(seed).integers(0, CODES, (4, frames))
