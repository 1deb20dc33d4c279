"""HiFi-GAN: mel spectrogram to waveform. In shape comments, T counts positions at the rate of each stage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.fish.v0_2.codec.windowed import Stage

EDGE_KERNEL = 7  # of the first and the last convolution
UPSAMPLINGS = ((8, 16), (8, 16), (2, 4), (2, 4))  # stride and kernel; the product of the strides is the hop
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
SLOPE = 0.1
LAST_SLOPE = 0.01


class HiFiGAN(nn.Module):
    """The V1 generator of HiFi-GAN, as in Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/decoder.py``.

    :param widths: channels before and after each upsampling.
    """

    def __init__(self, mels: int, widths: Sequence[int]):
        super().__init__()
        self.conv_pre = conv(mels, widths[0], EDGE_KERNEL)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(wide, narrow, kernel, stride, (kernel - stride) // 2)
            for wide, narrow, (stride, kernel) in zip(widths[:-1], widths[1:], UPSAMPLINGS, strict=True)
        )
        self.resblocks = nn.ModuleList(ResBlock(width, kernel) for width in widths[1:] for kernel in KERNELS)
        self.conv_post = conv(widths[-1], 1, EDGE_KERNEL)

    def forward(self, x: Tensor) -> Tensor:
        """(B, M, T) -> (B, 1, 256 T)."""
        for stage in self.stages():
            x = stage.run(x)
        return x

    def stages(self) -> list[Stage]:
        """Return the parts in order."""
        stages = [Stage(self.conv_pre, 1, reach(self.conv_pre))]
        for level, up in enumerate(self.ups):
            blocks = self.resblocks[level * len(KERNELS) : (level + 1) * len(KERNELS)]
            stages.append(Stage(partial(_upsample, up), UPSAMPLINGS[level][0], reach(up)))
            stages.append(Stage(partial(_mean, blocks), 1, max(_block_reach(kernel) for kernel in KERNELS)))
        return [*stages, Stage(self._output, 1, reach(self.conv_post))]

    def _output(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))


class ResBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each added to its input."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.convs1 = nn.ModuleList(conv(channels, channels, kernel, dilation) for dilation in DILATIONS)
        self.convs2 = nn.ModuleList(conv(channels, channels, kernel) for _ in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            inner = F.leaky_relu_(dilated(F.leaky_relu(x, SLOPE)), SLOPE)
            x = plain(inner).add_(x)
        return x


def conv(inputs: int, outputs: int, kernel: int, dilation: int = 1, stride: int = 1) -> nn.Conv1d:
    """A convolution with an odd kernel, zero-padded so that T outputs, or ceil(T / stride), result."""
    return nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2 * dilation, dilation)


def reach(layer: nn.Module) -> int:
    """Number of outputs beyond its own that an input affects, on each side: as many as the layer pads."""
    return int(layer.padding[0])  # type: ignore[index]


def _block_reach(kernel: int) -> int:
    return sum(kernel // 2 * (dilation + 1) for dilation in DILATIONS)


def _upsample(up: nn.Module, x: Tensor) -> Tensor:
    """(B, C, T) -> (B, C / 2, T * stride)."""
    out: Tensor = up(F.leaky_relu(x, SLOPE))
    return out


def _mean(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """The mean of the residual blocks' outputs."""
    total: Tensor = blocks[0](x)
    for block in blocks[1:]:
        total = total.add_(block(x))
    return total.div_(len(blocks))
