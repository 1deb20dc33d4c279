"""From a run's state to weights that are given away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


def average(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Averaged weights of a state on the CPU, those under a prefix only and without it."""
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["average"]
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def halves(tensors: Mapping[str, Tensor], kept: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """In float16, each with memory of its own.

    :param kept: endings of the names of constants that do not bear rounding.
    """
    return {
        name: (value.half() if value.dtype == torch.float32 and not name.endswith(kept) else value).contiguous().clone()
        for name, value in tensors.items()
    }
