"""Linear layers of the language model for inference, in three weight formats: plain, packed for a CPU, and 8-bit.

A layer maps (B, Din) to (B, Dout). Decoding is bound by the memory bandwidth of reading weights, so each format has the
kernel that reads it fastest.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.common import onednn
from backends.errors import LoadError

PACKED_FOR = 64  # batch size; oneDNN's packing for it suits one row too, but not the other way round
INT8_ROWS = 16  # above this batch size, dequantizing first is faster than the 8-bit kernel
INT8_STEP = 32  # the 8-bit kernel reads this many input features at a time


class Determinism(IntEnum):
    """Inputs that a row's result depends on, bit for bit, on a CPU; a greater value is a stronger guarantee."""

    NONE = 0  # possibly everything
    BATCH_SIZE = 1  # the row and the batch size, but not its position in the batch
    ROW = 2  # the row alone


class PackedLinear(nn.Module):
    """Weights (Dout, Din) packed by oneDNN, float32 or bfloat16, on an x86 CPU."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = onednn.pack(weight, PACKED_FOR)  # not a buffer: torch cannot move or save it

    def forward(self, x: Tensor) -> Tensor:
        """(B, Din) -> (B, Dout)."""
        return onednn.linear(x, self.weight)

    __call__ = forward  # without hooks: calls are frequent


class Int8Linear(nn.Module):
    """8-bit weights (Dout, Din) with a scale per output feature (Dout,): y = (x · W) · scales.

    Layout and formula are those of Fish-Speech v0.2.0 ``tools/llama/quantize.py``. On a CPU, inputs are rounded to
    bfloat16.
    """

    def __init__(self, weight: Tensor, scales: Tensor):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales)
        self.weight: Tensor
        self.scales: Tensor

    @property
    def has_kernel(self) -> bool:
        """Whether torch has an 8-bit kernel for the layer."""
        return self.weight.device.type == "cpu" and self.weight.shape[1] % INT8_STEP == 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, Din) -> (B, Dout)."""
        weight, scales = self.weight, self.scales
        if not self.has_kernel:
            return F.linear(x, weight.to(x.dtype)) * scales.to(x.dtype)
        rounded = x.to(torch.bfloat16)
        if x.shape[0] <= INT8_ROWS:
            out: Tensor = torch.ops.aten._weight_int8pack_mm(rounded, weight, scales)
            return out.to(x.dtype)
        return (F.linear(rounded, weight.to(torch.bfloat16)) * scales).to(x.dtype)

    __call__ = forward


def quantize_int8(weight: Tensor) -> Int8Linear:
    """Quantize weights (Dout, Din) symmetrically; the scale of a row is max |w| / 127.5."""
    weight = weight.float()
    scales = (weight.abs().amax(1) / 127.5).clamp(min=torch.finfo(torch.float32).eps).to(torch.bfloat16)
    rounded = (weight / scales.float()[:, None]).round().clamp(-128, 127)
    return Int8Linear(rounded.to(torch.int8), scales)


def inference_linear(layers: Sequence[nn.Module], device: torch.device, dtype: torch.dtype, *, int8: bool) -> nn.Module:
    """Build one layer from copies of the stacked rows of several.

    :param layers: all ``nn.Linear``, or all quantized.
    :param int8: quantize the weights.
    :raises LoadError: if only some layers are quantized.
    """
    quantized = [layer for layer in layers if isinstance(layer, Int8Linear)]
    if len(quantized) not in (0, len(layers)):
        raise LoadError("the feed-forward layers w1 and w3 must both be quantized, or neither")
    if quantized:
        scales = torch.cat([layer.scales.to(device, torch.bfloat16) for layer in quantized])
        return Int8Linear(torch.cat([layer.weight.to(device) for layer in quantized]), scales)
    kind = torch.float32 if int8 else dtype
    weight = torch.cat([layer.weight.to(device, kind) for layer in layers if isinstance(layer, nn.Linear)])
    if int8:
        return quantize_int8(weight)
    if _can_pack(weight):
        return PackedLinear(weight)
    plain = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    plain.weight = nn.Parameter(weight, requires_grad=False)
    return plain


def determinism(layer: nn.Module) -> Determinism:
    """Determinism of a layer."""
    if isinstance(layer, PackedLinear):
        return Determinism.BATCH_SIZE
    # MKL, which computes plain layers, sums the rows left over after blocks of four in another order
    return Determinism.ROW if isinstance(layer, Int8Linear) and layer.has_kernel else Determinism.NONE


def weight_bytes(layer: nn.Module) -> int:
    """Bytes of weights that a call reads."""
    scales = layer.scales.nbytes if isinstance(layer, Int8Linear) else 0
    return int(layer.weight.nbytes) + scales  # type: ignore[arg-type]


def _can_pack(weight: Tensor) -> bool:
    return platform.machine() in ("x86_64", "AMD64") and onednn.can_pack(weight)
