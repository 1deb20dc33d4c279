"""HiFi-GAN: mel spectrogram to waveform. In shape comments, T counts positions at the rate of each stage."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.codec.layers import Conv, Upsampling, take_conv, take_kernel
from backends.fish.v0_2.codec.windowed import Stage

EDGE_KERNEL = 7  # of the first and the last convolution
UPSAMPLINGS = ((8, 16), (8, 16), (2, 4), (2, 4))  # stride and kernel; the product of the strides is the hop
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
SLOPE = 0.1
LAST_SLOPE = 0.01

Block = list[tuple[Conv, Conv]]


class HiFiGAN:
    """The V1 generator of HiFi-GAN, as in Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/decoder.py``.

    ``stages`` are its parts in order, (B, M, T) -> (B, 1, 256 T).

    :raises LoadError: if weights are missing.
    """

    def __init__(self, weights: Weights, name: str, mels: int):
        channels = weights.rows(f"{name}.conv_pre.bias")
        first = take_conv(weights, f"{name}.conv_pre", channels, mels, EDGE_KERNEL)
        self.stages = [Stage(first, 1, first.reach)]
        for level, (stride, kernel) in enumerate(UPSAMPLINGS):
            prefix = f"{name}.ups.{level}"
            narrower = weights.rows(f"{prefix}.bias")
            weight = take_kernel(weights, prefix, channels, narrower, kernel)
            upsampling = Upsampling(weight, weights.take(f"{prefix}.bias", narrower), stride)
            self.stages.append(Stage(partial(_upsample, upsampling), stride, upsampling.reach))
            channels = narrower
            names = [f"{name}.resblocks.{level * len(KERNELS) + index}" for index in range(len(KERNELS))]
            blocks = [_take_block(weights, block, channels, size) for block, size in zip(names, KERNELS, strict=True)]
            reach = max(sum(dilated.reach + plain.reach for dilated, plain in block) for block in blocks)
            self.stages.append(Stage(partial(_residual, blocks), 1, reach))
        last = take_conv(weights, f"{name}.conv_post", 1, channels, EDGE_KERNEL)
        self.stages.append(Stage(partial(_output, last), 1, last.reach))


def _take_block(weights: Weights, name: str, channels: int, kernel: int) -> Block:
    return [
        (
            take_conv(weights, f"{name}.convs1.{index}", channels, channels, kernel, dilation),
            take_conv(weights, f"{name}.convs2.{index}", channels, channels, kernel),
        )
        for index, dilation in enumerate(DILATIONS)
    ]


def _upsample(upsampling: Upsampling, x: Tensor) -> Tensor:
    return upsampling(F.leaky_relu(x, SLOPE))


def _residual(blocks: list[Block], x: Tensor) -> Tensor:
    """The mean of the residual blocks' outputs."""
    total: Tensor | None = None
    for block in blocks:
        y = x
        for dilated, plain in block:
            inner = F.leaky_relu_(dilated(F.leaky_relu(y, SLOPE)), SLOPE)
            y = plain(inner).add_(y)
        total = y if total is None else total.add_(y)
    if total is None:
        raise ValueError("at least one residual block is needed")
    return total.div_(len(blocks))


def _output(last: Conv, x: Tensor) -> Tensor:
    return torch.tanh(last(F.leaky_relu(x, LAST_SLOPE)))
