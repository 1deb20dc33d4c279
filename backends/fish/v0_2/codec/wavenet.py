"""The gated, dilated convolutions before and after the quantizer, after WaveNet."""

from __future__ import annotations

import torch
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.codec.layers import Conv, take_conv

LAYERS = 6
KERNEL = 3
REACH = sum(KERNEL // 2 * 2**layer for layer in range(LAYERS))  # receptive field on each side, in positions


class WaveNet:
    """``WN`` of Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/modules.py``, without conditioning.

    :param name: prefix of its weights.
    :param outputs: channels of a final linear layer; None: there is no such layer.
    :raises LoadError: if weights are missing.
    """

    def __init__(self, weights: Weights, name: str, channels: int, outputs: int | None = None):
        self._gates: list[Conv] = []
        self._skips: list[Conv] = []
        for layer in range(LAYERS):
            gate = f"{name}.in_layers.{layer}"
            self._gates.append(take_conv(weights, gate, 2 * channels, channels, KERNEL, dilation=2**layer))
            width = channels if layer == LAYERS - 1 else 2 * channels
            self._skips.append(take_conv(weights, f"{name}.res_skip_layers.{layer}", width, channels, 1))
        self._out = None if outputs is None else take_conv(weights, f"{name}.out_layer", outputs, channels, 1)

    def __call__(self, x: Tensor, valid: int | None = None) -> Tensor:
        """(B, C, T) -> (B, C, T), or (B, outputs, T) with a final layer.

        :param valid: number of positions that are not padding; the others are zeroed after every layer, but not in
            the input.
        """
        total: Tensor | None = None
        for gate, skip in zip(self._gates[:-1], self._skips[:-1], strict=True):
            residual, part = skip(_gated(gate(x))).chunk(2, dim=1)
            x = _zero_padding(x + residual, valid)
            total = part if total is None else total + part
        last = self._skips[-1](_gated(self._gates[-1](x)))
        out = _zero_padding(last if total is None else total + last, valid)
        return out if self._out is None else self._out(out)


def _gated(x: Tensor) -> Tensor:
    signal, gate = x.chunk(2, dim=1)
    return torch.tanh(signal) * torch.sigmoid(gate)


def _zero_padding(x: Tensor, valid: int | None) -> Tensor:
    """Zero the positions from ``valid`` on, in place."""
    if valid is not None:
        x[..., valid:] = 0
    return x
