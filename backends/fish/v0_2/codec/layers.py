"""Convolutions over (B, C, n) on weights taken from a checkpoint, weight norm folded in.

Letters: B rows, C input and D output channels, k positions of a kernel, n positions in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights

NORM = "parametrizations.weight.original"  # 0 the lengths, 1 the directions, as torch names them


@dataclass(frozen=True)
class Conv:
    """A convolution with an odd kernel that is padded with zeros to keep n, or n / stride rounded up."""

    weight: Tensor  # (D, C, k)
    bias: Tensor  # (D,)
    dilation: int = 1
    stride: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, n) to (B, D, ceil(n / stride))."""
        return F.conv1d(x, self.weight, self.bias, self.stride, self.reach, self.dilation)

    @property
    def reach(self) -> int:
        """How many positions an output looks to each side."""
        kernel: int = self.weight.shape[2]
        return kernel // 2 * self.dilation


@dataclass(frozen=True)
class Upsampling:
    """A transposed convolution to ``stride`` times as many positions."""

    weight: Tensor  # (C, D, k)
    bias: Tensor  # (D,)
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, n) to (B, D, n * stride)."""
        return F.conv_transpose1d(x, self.weight, self.bias, self.stride, self.reach)

    @property
    def reach(self) -> int:
        """How far, in outputs, an input acts beyond the ``stride`` outputs in its own place."""
        kernel: int = self.weight.shape[2]
        return (kernel - self.stride) // 2


def take_kernel(weights: Weights, name: str, *shape: int) -> Tensor:
    """Hand out a convolution's weight of that shape; where it is stored under weight norm, g · v / |v|.

    :raises LoadError: there is none of that shape.
    """
    if f"{name}.{NORM}0" not in weights:
        return weights.take(f"{name}.weight", *shape)
    lengths = weights.take(f"{name}.{NORM}0", shape[0], 1, 1)
    directions = weights.take(f"{name}.{NORM}1", *shape)
    found: Tensor = torch.linalg.vector_norm(directions, dim=(1, 2), keepdim=True)
    return directions * (lengths / found)


def take_conv(
    weights: Weights, name: str, outputs: int, inputs: int, kernel: int, dilation: int = 1, stride: int = 1
) -> Conv:
    """Hand out a convolution.

    :raises LoadError: there is none of those sizes.
    """
    weight = take_kernel(weights, name, outputs, inputs, kernel)
    return Conv(weight, weights.take(f"{name}.bias", outputs), dilation, stride)
