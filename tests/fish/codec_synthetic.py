"""Checkpoints of the codec in the official layout, with synthetic weights: the published sizes, or small ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from fish.synthetic import tensors

from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.vqgan import VQGAN, Codes

GOLDEN = Path(__file__).parent / "golden"
NARROWER = 8  # how much, of a small one, every layer
MELS, CODES = 80, 160  # no widths of layers: these stay
DISCRIMINATOR = {
    "discriminator.discriminators.0.convs.0.weight_orig": (16, 1, 15),
    "discriminator.discriminators.0.convs.0.weight_u": (16,),
    "discriminator.discriminators.1.convs.0.weight_g": (32, 1, 1, 1),
    "discriminator.discriminators.1.convs.0.weight_v": (32, 1, 5, 1),
}


def codec_shapes(small: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and shapes in an official checkpoint, the discriminator's apart."""
    official = json.loads((GOLDEN / "vqgan_v1_keys.json").read_text())
    return {name: _narrow(name, shape) if small else tuple(shape) for name, shape in official.items()}


def codec_tensors(small: bool = False, seed: int = 1) -> dict[str, torch.Tensor]:
    """A checkpoint's content; the spectrogram's constants in it are noise, so that whoever reads them hears it."""
    return tensors({**codec_shapes(small), **DISCRIMINATOR}, seed)


def write_codec(folder: Path, small: bool = False, seed: int = 1) -> Path:
    """Write ``vqgan-v1.pth``: 83 MB, or a small one of 1.8 MB."""
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
    """Write and load one."""
    return load_vqgan(write_codec(folder, small), torch.device("cpu"), dtype)


@torch.inference_mode()
def decode_whole(codec: VQGAN, codes: Codes) -> np.ndarray:
    """What the network makes of codes in one pass, without any windows; in the codec's own precision."""
    x = codec.to_device(codes[None])
    for segment in codec.chain.segments:
        x = segment.run(x)
    return x[0, 0].numpy()


def random_codes(frames: int, seed: int = 0) -> Codes:
    return np.random.default_rng(seed).integers(0, CODES, (4, frames))
