"""Codec checkpoints in the forms that Fish-Speech writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backends.common.weights import Weights, load_checkpoint
from backends.errors import LoadError
from backends.fish.v0_2.codec.quantizer import codebook_name
from backends.fish.v0_2.codec.vqgan import VQGAN

QUANTIZER = "vq_encoder"
UNUSED = ("discriminator.", "mel_transform.")  # training only; computed instead of read
TRAINING = ("initted", "cluster_size", "embed_avg")  # training state of a codebook


def load_vqgan(path: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> VQGAN:
    """Load the codec from a checkpoint of Fish-Speech 0.2 such as ``vqgan-v1.pth``.

    The checkpoint may be bare or in Lightning's ``state_dict``. Weights that only training needs are ignored.

    :param dtype: float32 or float64; half precision is too coarse for a spectrogram.
    :raises LoadError: naming the file, and the tensor that is missing or has another shape.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    if isinstance(inner := content.get("state_dict"), Mapping):
        content = inner
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor) and _is_used(str(name))}
    codebooks = 0
    while codebook_name(QUANTIZER, codebooks) in tensors:
        codebooks += 1
    first = codebook_name(QUANTIZER, 0)
    if not codebooks:
        raise LoadError(f"{path}: has no weights named {first}, so it is not a codec of Fish-Speech 0.2")
    shape = tuple(tensors[first].shape)
    if len(shape) != 3:
        raise LoadError(f"{path}: {first} has shape {shape}, but a codebook needs (1, codes, channels)")
    weights = Weights(tensors, str(path), device, dtype)
    codec = VQGAN(weights, codebooks, shape[1])
    weights.finish()
    return codec


def _is_used(name: str) -> bool:
    return not name.startswith(UNUSED) and not ("._codebook." in name and name.rsplit(".", 1)[-1] in TRAINING)
