"""The network on either side of the quantiser: dilated convolutions with gates, after WaveNet.

Letters: B rows, C channels, D output channels, n positions in time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.codec.layers import Conv, take_conv

LAYERS = 6
KERNEL = 3
REACH = sum(KERNEL // 2 * 2**layer for layer in range(LAYERS))  # positions it looks to each side


class WaveNet:
    """Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/modules.py``, ``WN`` without conditioning.

    :param name: where its weights start.
    :param outputs: channels of a last linear layer, or None for none.
    :raises LoadError: its weights are not all there.
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
        """(B, C, n) to (B, C, n), or to (B, D, n) with a last layer.

        :param valid: zero the positions from there on after every layer; what comes in is taken as it is.
        """
        total: Tensor | None = None
        for gate, skip in zip(self._gates[:-1], self._skips[:-1], strict=True):
            residual, part = skip(_gated(gate(x))).chunk(2, dim=1)
            x = _cut(x + residual, valid)
            total = part if total is None else total + part
        last = self._skips[-1](_gated(self._gates[-1](x)))
        out = _cut(last if total is None else total + last, valid)
        return out if self._out is None else self._out(out)


def _gated(x: Tensor) -> Tensor:
    signal, gate = x.chunk(2, dim=1)
    return torch.tanh(signal) * torch.sigmoid(gate)


def _cut(x: Tensor, valid: int | None) -> Tensor:
    """``x`` is the caller's own: it is changed in place."""
    if valid is not None:
        x[..., valid:] = 0
    return x
