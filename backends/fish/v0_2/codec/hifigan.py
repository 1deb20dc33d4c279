"""HiFi-GAN: from a mel spectrogram to sound.

Letters: B rows, M mel channels, C channels, n positions in time at whatever rate a stage has.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.codec.layers import Conv, Upsampling, take_conv, take_kernel
from backends.fish.v0_2.codec.windowed import Segment

EDGE_KERNEL = 7  # of the first and the last convolution
UPSAMPLINGS = ((8, 16), (8, 16), (2, 4), (2, 4))  # stride and kernel; strides multiply to the hop
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
SLOPE = 0.1
LAST_SLOPE = 0.01

Block = list[tuple[Conv, Conv]]


class HiFiGAN:
    """Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/decoder.py``, which is HiFi-GAN's V1 generator.

    ``segments`` are its parts in order, from (B, M, n) to (B, 1, 256 n).

    :raises LoadError: its weights are not all there.
    """

    def __init__(self, weights: Weights, name: str, mels: int):
        channels = weights.rows(f"{name}.conv_pre.bias")
        first = take_conv(weights, f"{name}.conv_pre", channels, mels, EDGE_KERNEL)
        self.segments = [Segment(first, 1, first.reach)]
        for stage, (stride, kernel) in enumerate(UPSAMPLINGS):
            place = f"{name}.ups.{stage}"
            narrower = weights.rows(f"{place}.bias")
            weight = take_kernel(weights, place, channels, narrower, kernel)
            upsampling = Upsampling(weight, weights.take(f"{place}.bias", narrower), stride)
            self.segments.append(Segment(partial(_upsample, upsampling), stride, upsampling.reach))
            channels = narrower
            places = [f"{name}.resblocks.{stage * len(KERNELS) + index}" for index in range(len(KERNELS))]
            blocks = [_take_block(weights, place, channels, size) for place, size in zip(places, KERNELS, strict=True)]
            reach = max(sum(wide.reach + narrow.reach for wide, narrow in block) for block in blocks)
            self.segments.append(Segment(partial(_mix, blocks), 1, reach))
        last = take_conv(weights, f"{name}.conv_post", 1, channels, EDGE_KERNEL)
        self.segments.append(Segment(partial(_finish, last), 1, last.reach))


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


def _mix(blocks: list[Block], x: Tensor) -> Tensor:
    """The mean of what the residual blocks make of x."""
    total: Tensor | None = None
    for block in blocks:
        y = x
        for wide, narrow in block:
            inner = F.leaky_relu_(wide(F.leaky_relu(y, SLOPE)), SLOPE)
            y = narrow(inner).add_(y)
        total = y if total is None else total.add_(y)
    if total is None:
        raise ValueError("there are no blocks to mix")
    return total.div_(len(blocks))


def _finish(last: Conv, x: Tensor) -> Tensor:
    return torch.tanh(last(F.leaky_relu(x, LAST_SLOPE)))
