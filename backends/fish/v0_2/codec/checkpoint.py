"""Codec checkpoints in the forms that Fish-Speech writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import remove_parametrizations

from backends.common.weights import Weights, direct, load_checkpoint
from backends.errors import LoadError
from backends.fish.v0_2.codec.hifigan import UPSAMPLINGS
from backends.fish.v0_2.codec.quantizer import codebook_name
from backends.fish.v0_2.codec.vqgan import VQGAN, Widths

UNUSED = ("discriminator.", "mel_transform.")  # training only; computed instead of read
TRAINING = ("initted", "cluster_size", "embed_avg")  # training state of a codebook
WEIGHT_NORM = "parametrizations.weight.original"  # torch's names: 0 is the magnitude, 1 the direction


def load_vqgan(path: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> VQGAN:
    """Load the codec from a checkpoint of Fish-Speech 0.2 such as ``vqgan-v1.pth``.

    Weights that only training needs are ignored. Widths follow from the weights.

    :param dtype: float32 or float64; half precision is too coarse for a spectrogram.
    :raises LoadError: naming the file, and the tensor that is missing or has another shape.
    """
    tensors = {name: value for name, value in read_codec(path).items() if _is_used(name)}
    widths = _widths(tensors, path)
    with torch.device("meta"):
        codec = VQGAN(widths)
    fill(codec, tensors, path, dtype)
    return direct(codec.to(device, dtype))


def read_codec(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors, bare or in Lightning's ``state_dict``.

    :raises LoadError: if the file is unreadable.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    if isinstance(inner := content.get("state_dict"), Mapping):
        content = inner
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype) -> None:
    """Load the codec or parts of it, and freeze it; weight norm, where the file has it, is folded.

    :param tensors: with the names of the file.
    :raises LoadError: naming the file, and the tensor that is missing or has another shape.
    """
    normed = [layer for name, layer in module.named_modules() if f"{name}.{WEIGHT_NORM}0" in tensors]
    for layer in normed:
        weight_norm(layer)
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    Weights(tensors, str(path), torch.device("cpu"), dtype).load(module)
    for layer in normed:
        remove_parametrizations(layer, "weight")
        layer.weight = nn.Parameter(layer.weight, requires_grad=False)


def _widths(tensors: Mapping[str, Tensor], path: Path) -> Widths:
    codebooks = 0
    while codebook_name(codebooks) in tensors:
        codebooks += 1
    first = codebook_name(0)
    if not codebooks:
        raise LoadError(f"{path}: has no weights named {first}, so it is not a codec of Fish-Speech 0.2")
    shape = tuple(tensors[first].shape)
    if len(shape) != 3:
        raise LoadError(f"{path}: {first} has shape {shape}, but a codebook needs (1, codes, channels)")

    def width(layer: str) -> int:
        name = f"{layer}.bias"
        if name not in tensors:
            raise LoadError(f"{path}: has no weights named {name}, which the architecture needs")
        return len(tensors[name])

    ups = [f"ups.{level}" for level in range(len(UPSAMPLINGS))]
    return Widths(
        downsampled=tuple(width(f"downsample.convs.{layer}.0") for layer in range(2)),
        quantized=width("vq_encoder.conv_in"),
        codebooks=codebooks,
        codebook_size=shape[1],
        waves=tuple(width(f"generator.{layer}") for layer in ("conv_pre", *ups)),
    )


def _is_used(name: str) -> bool:
    return not name.startswith(UNUSED) and not ("._codebook." in name and name.rsplit(".", 1)[-1] in TRAINING)
