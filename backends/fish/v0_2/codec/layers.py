"""Convolutions over (B, C, T) with weights from a checkpoint; C counts channels. Weight norm is folded in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights

WEIGHT_NORM = "parametrizations.weight.original"  # torch's names: 0 is the magnitude, 1 the direction


@dataclass(frozen=True)
class Conv:
    """A convolution with an odd kernel, zero-padded so that T outputs, or ceil(T / stride), result."""

    weight: Tensor  # (Cout, Cin, kernel)
    bias: Tensor  # (Cout,)
    dilation: int = 1
    stride: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """(B, Cin, T) -> (B, Cout, ceil(T / stride))."""
        return F.conv1d(x, self.weight, self.bias, self.stride, self.reach, self.dilation)

    @property
    def reach(self) -> int:
        """Number of input positions that an output depends on, on each side."""
        kernel: int = self.weight.shape[2]
        return kernel // 2 * self.dilation


@dataclass(frozen=True)
class Upsampling:
    """A transposed convolution that multiplies the number of positions by ``stride``."""

    weight: Tensor  # (Cin, Cout, kernel)
    bias: Tensor  # (Cout,)
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        """(B, Cin, T) -> (B, Cout, T * stride)."""
        return F.conv_transpose1d(x, self.weight, self.bias, self.stride, self.reach)

    @property
    def reach(self) -> int:
        """Number of outputs that an input affects beyond its own ``stride`` outputs, on each side."""
        kernel: int = self.weight.shape[2]
        return (kernel - self.stride) // 2


def take_kernel(weights: Weights, name: str, *shape: int) -> Tensor:
    """Take a convolution's weight of a shape; with weight norm it is g · v / |v|.

    :raises LoadError: if the checkpoint lacks a weight of that shape.
    """
    if f"{name}.{WEIGHT_NORM}0" not in weights:
        return weights.take(f"{name}.weight", *shape)
    magnitude = weights.take(f"{name}.{WEIGHT_NORM}0", shape[0], 1, 1)
    direction = weights.take(f"{name}.{WEIGHT_NORM}1", *shape)
    norm: Tensor = torch.linalg.vector_norm(direction, dim=(1, 2), keepdim=True)
    return direction * (magnitude / norm)


def take_conv(
    weights: Weights, name: str, outputs: int, inputs: int, kernel: int, dilation: int = 1, stride: int = 1
) -> Conv:
    """Take a convolution.

    :raises LoadError: if the checkpoint lacks a convolution of these sizes.
    """
    weight = take_kernel(weights, name, outputs, inputs, kernel)
    return Conv(weight, weights.take(f"{name}.bias", outputs), dilation, stride)
