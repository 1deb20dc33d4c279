"""Checkpoints of the codec in the forms Fish-Speech leaves them in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backends.common.weights import Weights, load_checkpoint
from backends.errors import LoadError
from backends.fish.v0_2.codec.quantizer import codebook
from backends.fish.v0_2.codec.vqgan import VQGAN

QUANTIZER = "vq_encoder"
UNUSED = ("discriminator.", "mel_transform.")  # the one is for training, the other is computed anew
TRAINING = ("initted", "cluster_size", "embed_avg")  # of a codebook


def load_vqgan(path: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> VQGAN:
    """Load the codec from a checkpoint of Fish-Speech 0.2 such as ``vqgan-v1.pth``.

    As published or as Lightning saves it (``state_dict``); what only training needs is ignored.

    :param dtype: float32 or float64; half precisions are no good for a spectrogram.
    :raises LoadError: naming the file, and the tensor that is missing or does not fit.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    if isinstance(inner := content.get("state_dict"), Mapping):
        content = inner
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor) and _is_used(str(name))}
    groups = 0
    while codebook(QUANTIZER, groups) in tensors:
        groups += 1
    if not groups:
        raise LoadError(f"{path}: has no weights named {codebook(QUANTIZER, 0)}: it is no codec of Fish-Speech 0.2")
    shape = tuple(tensors[codebook(QUANTIZER, 0)].shape)
    if len(shape) != 3:
        raise LoadError(
            f"{path}: {codebook(QUANTIZER, 0)} has shape {shape}, but a codebook needs (1, codes, channels)"
        )
    weights = Weights(tensors, str(path), device, dtype)
    codec = VQGAN(weights, groups, shape[1])
    weights.finish()
    return codec


def _is_used(name: str) -> bool:
    return not name.startswith(UNUSED) and not ("._codebook." in name and name.rsplit(".", 1)[-1] in TRAINING)
