"""Readers of an exported language model and codec, for further training or encoding."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from backends.fish.v0_2.codec.checkpoint import fill, read_codec
from backends.fish.v0_2.codec.hifigan import HiFiGAN
from backends.fish.v0_2.codec.mel import MELS
from recipes.fish_mini.vqgan import WIDTHS, MelCodec

CODEC_FILE, LM_FILE = "vqgan-fish-mini.pth", "text2semantic-fish-mini.pth"
BUFFERS = ("freqs_cis", "causal_mask")
GENERATOR = "generator."
UNUSED = ("decoder.", "vq_encoder.conv_out.")  # not used by the encoder
UNUSED_IN_TRAINING = (*UNUSED, GENERATOR, "mel_transform.")  # not used in training of the language model


def read_lm(folder: Path) -> dict[str, Tensor]:
    """Weights of the ``LanguageModel`` in float32, the inverse of ``export.lm_tensors``."""
    found: dict[str, Tensor] = torch.load(folder / LM_FILE, map_location="cpu", weights_only=True)
    return {name: value.float() for name, value in found.items() if name not in BUFFERS}


def load_mel_codec(folder: Path) -> MelCodec:
    """Load the codec without its generator, frozen; its decoder stays random where the file lacks it.

    :raises LoadError: naming the tensor that is missing or does not fit.
    """
    codec = MelCodec()
    stored = read_codec(folder / CODEC_FILE)
    tensors = {name: value for name, value in stored.items() if not name.startswith((GENERATOR, "mel_transform."))}
    for part in UNUSED:
        if not any(name.startswith(part) for name in tensors):
            tensors |= {name: value for name, value in codec.state_dict().items() if name.startswith(part)}
    fill(codec, tensors, folder / CODEC_FILE, torch.float32)
    return codec.eval()


def load_generator(folder: Path) -> HiFiGAN:
    """Load the codec's generator, frozen, with the blocks that stay zero in training.

    :raises LoadError: naming the tensor that is missing or does not fit.
    """
    generator = HiFiGAN(MELS, WIDTHS.waves)
    stored = read_codec(folder / CODEC_FILE)
    tensors = {name.removeprefix(GENERATOR): value for name, value in stored.items() if name.startswith(GENERATOR)}
    fill(generator, tensors, folder / CODEC_FILE, torch.float32)
    return generator
