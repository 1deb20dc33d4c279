"""Weights of a training state, prepared for export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


def average(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Load the averaged weights of a state on the CPU: those with a prefix, which is removed."""
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["average"]
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def to_float16(tensors: Mapping[str, Tensor], kept: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Convert float32 tensors to float16 and copy all.

    :param kept: name suffixes of constants that must not be rounded.
    """
    return {
        name: (value.half() if value.dtype == torch.float32 and not name.endswith(kept) else value).contiguous().clone()
        for name, value in tensors.items()
    }
