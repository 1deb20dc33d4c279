"""The gated, dilated convolutions before and after the quantizer, after WaveNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.fish.v0_2.codec.hifigan import conv

LAYERS = 6
KERNEL = 3
REACH = sum(KERNEL // 2 * 2**layer for layer in range(LAYERS))  # receptive field on each side, in positions


class WaveNet(nn.Module):
    """``WN`` of Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/modules.py``, without conditioning.

    :param outputs: channels of a final linear layer; None: there is no such layer.
    """

    def __init__(self, channels: int, outputs: int | None = None):
        super().__init__()
        widths = [2 * channels] * (LAYERS - 1) + [channels]
        self.in_layers = nn.ModuleList(conv(channels, 2 * channels, KERNEL, 2**layer) for layer in range(LAYERS))
        self.res_skip_layers = nn.ModuleList(conv(channels, width, 1) for width in widths)
        self.out_layer = None if outputs is None else conv(channels, outputs, 1)

    def forward(self, x: Tensor, valid: int | None = None) -> Tensor:
        """(B, C, T) -> (B, C, T), or (B, outputs, T) with a final layer.

        :param valid: number of positions that are not padding; the others are zeroed after every layer, but not in
            the input.
        """
        total: Tensor | None = None
        for gate, skip in zip(self.in_layers, self.res_skip_layers, strict=True):
            part = skip(_gated(gate(x)))
            if part.shape[1] > x.shape[1]:
                residual, part = part.chunk(2, dim=1)
                x = _zero_padding(x + residual, valid)
            total = part if total is None else total + part
        assert total is not None  # noqa: S101 - there are layers
        out = _zero_padding(total, valid)
        return out if self.out_layer is None else self.out_layer(out)


def _gated(x: Tensor) -> Tensor:
    signal, gate = x.chunk(2, dim=1)
    return torch.tanh(signal) * torch.sigmoid(gate)


def _zero_padding(x: Tensor, valid: int | None) -> Tensor:
    """Zero the positions from ``valid`` on, in place."""
    if valid is not None:
        x[..., valid:] = 0
    return x
