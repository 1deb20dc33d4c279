"""Readers of an exported language model and codec, for further training or encoding."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from backends.fish.v0_2.codec.layers import WEIGHT_NORM
from backends.fish.v0_2.codec.quantizer import codebook_name
from backends.fish.v0_2.config import CODEBOOKS
from recipes.fish_mini.vqgan import MelCodec, Widths

CODEC_FILE, LM_FILE = "vqgan-fish-mini.pth", "text2semantic-fish-mini.pth"
BUFFERS = ("freqs_cis", "causal_mask")
GENERATOR, NARROW = "generator.", "mel_encoder.in_layers."
SEPARATE = ("mel_transform.", "vq_encoder.vq.")  # constants, and tensors that are stacked by codebook
UNUSED = ("decoder.", "vq_encoder.conv_out.")  # not used by the encoder
UNUSED_IN_TRAINING = (*UNUSED, GENERATOR, "mel_transform.")  # not used in training of the language model


def read_lm(folder: Path) -> dict[str, Tensor]:
    """Weights of the ``LanguageModel`` in float32, the inverse of ``export.lm_tensors``."""
    found: dict[str, Tensor] = torch.load(folder / LM_FILE, map_location="cpu", weights_only=True)
    return {name: value.float() for name, value in found.items() if name not in BUFFERS}


def read_codec(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of ``MelCodec`` and ``Generator`` in float32, the inverse of ``export.codec_tensors``.

    Parts that the file lacks are skipped.
    """
    loaded: dict[str, Tensor] = torch.load(folder / CODEC_FILE, map_location="cpu", weights_only=True)
    found = {name: value.float() for name, value in loaded.items()}
    lower = {name: value for name, value in found.items() if WEIGHT_NORM not in name and not name.startswith(SEPARATE)}
    for name, lengths in found.items():
        if name.endswith(f".{WEIGHT_NORM}0"):
            stem = name.removesuffix(f".{WEIGHT_NORM}0")
            lower[f"{stem}.weight"] = _kernel(stem, lengths, found[f"{stem}.{WEIGHT_NORM}1"])
    for part in ("embed", "embed_avg", "cluster_size"):
        books = [f"{codebook_name('vq_encoder', group).rpartition('.')[0]}.{part}" for group in range(CODEBOOKS)]
        lower[f"vq_encoder.vq.{part}"] = torch.cat([found[name] for name in books])
    upper = {name: lower.pop(name) for name in list(lower) if name.startswith(GENERATOR)}
    return lower, {name.removeprefix(GENERATOR): value for name, value in upper.items()}


def _kernel(stem: str, lengths: Tensor, directions: Tensor) -> Tensor:
    """Compute a weight from length and direction, without the outer taps that its layer lacks."""
    weight = lengths * directions / torch.linalg.vector_norm(directions, dim=(1, 2), keepdim=True)
    layer = stem.removeprefix(NARROW)
    return weight[..., weight.shape[-1] // 2, None] if layer.isdigit() and int(layer) >= Widths().near else weight


def load_encoder(folder: Path) -> MelCodec:
    """Load the codec for encoding; its decoder stays random where the file lacks it."""
    codec = MelCodec(Widths())
    missing, unexpected = codec.load_state_dict(read_codec(folder)[0], strict=False)
    if wrong := [*unexpected, *(name for name in missing if not name.startswith(UNUSED))]:
        raise ValueError(
            f"{folder / CODEC_FILE}: not an encoder of this recipe; missing or unexpected: {', '.join(wrong)}"
        )
    return codec.eval().requires_grad_(False)
