"""Linear layers in three weight formats: plain, packed for a CPU, and quantized to 8 bits.

A layer maps (B, Din) to (B, Dout). Decoding is bound by the memory bandwidth of reading weights, so each format has the
kernel that reads it fastest. On a CPU, oneDNN packs weights in an order of its own, which ``F.linear`` would repeat at
every call.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.errors import LoadError

PACKED_FOR = 64  # batch size; oneDNN's packing for it suits one row too, but not the other way round
INT8_ROWS = 16  # above this batch size, dequantizing first is faster than the 8-bit kernel
INT8_STEP = 32  # the 8-bit kernel reads this many input features at a time


class Determinism(Enum):
    """Determinism of a row: the inputs that its result depends on, bit for bit, on a CPU."""

    ROW = "the row alone"
    BATCH_SIZE = "the row and the batch size, but not its position in the batch"
    NONE = "possibly everything"


class Linear(Protocol):
    """A layer without bias; a call reads ``nbytes`` of weights."""

    @property
    def determinism(self) -> Determinism: ...  # noqa: D102 - see its type

    @property
    def nbytes(self) -> int: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor: ...  # noqa: D102


class Dense:
    """Plain weights (Dout, Din)."""

    determinism = Determinism.NONE  # MKL computes the rows left over after blocks of four in another order

    def __init__(self, weight: Tensor):
        self.weight, self.nbytes = weight, weight.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """(B, Din) -> (B, Dout)."""
        return F.linear(x, self.weight)


class Packed:
    """Weights packed by oneDNN, float32 or bfloat16, on an x86 CPU."""

    determinism = Determinism.BATCH_SIZE

    def __init__(self, weight: Tensor):
        self.nbytes = weight.nbytes
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), PACKED_FOR)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, Din) -> (B, Dout)."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")
        return out


class Int8:
    """8-bit weights (Dout, Din) with a scale per output feature (Dout,): y = (x · W) · scales.

    Layout and formula are those of Fish-Speech v0.2.0 ``tools/llama/quantize.py``. On a CPU, inputs are rounded to
    bfloat16.
    """

    def __init__(self, weight: Tensor, scales: Tensor):
        self.weight, self.scales, self.nbytes = weight, scales, weight.nbytes + scales.nbytes
        self._has_kernel = weight.device.type == "cpu" and weight.shape[1] % INT8_STEP == 0
        self.determinism = Determinism.ROW if self._has_kernel else Determinism.NONE

    def __call__(self, x: Tensor) -> Tensor:
        """(B, Din) -> (B, Dout)."""
        if not self._has_kernel:
            return F.linear(x, self.weight.to(x.dtype)) * self.scales.to(x.dtype)
        rounded = x.to(torch.bfloat16)
        if x.shape[0] <= INT8_ROWS:
            out: Tensor = torch.ops.aten._weight_int8pack_mm(rounded, self.weight, self.scales)
            return out.to(x.dtype)
        return (F.linear(rounded, self.weight.to(torch.bfloat16)) * self.scales).to(x.dtype)


def quantize_int8(weight: Tensor) -> Int8:
    """Quantize weights (Dout, Din) symmetrically; the scale of a row is max |w| / 127.5."""
    weight = weight.float()
    scales = (weight.abs().amax(1) / 127.5).clamp(min=torch.finfo(torch.float32).eps).to(torch.bfloat16)
    rounded = (weight / scales.float()[:, None]).round().clamp(-128, 127)
    return Int8(rounded.to(torch.int8), scales)


class LayerWeights(Weights):
    """Named tensors, some of which may be quantized to 8 bits."""

    def take_int8(self, name: str, rows: int, width: int) -> Int8:
        """Take a quantized layer's weight and scales.

        :param name: of the module.
        :raises LoadError: if there is no 8-bit weight of that shape.
        """
        weight = self._find(f"{name}.weight")
        if weight.dtype != torch.int8 or weight.shape != (rows, width):
            found = f"{str(weight.dtype).removeprefix('torch.')} of shape {tuple(weight.shape)}"
            raise LoadError(f"{self._source}: {name}.weight is {found}, not int8 of shape {(rows, width)}")
        self.drop(f"{name}.weight")
        return Int8(weight.to(self.device), self.take(f"{name}.scales", rows, dtype=torch.bfloat16))


def take_linear(weights: LayerWeights, names: Sequence[str], rows: Sequence[int], width: int, *, int8: bool) -> Linear:
    """Build one layer from the stacked rows of several modules; they may be quantized already.

    :param names: of the modules, e.g. ``layers.0.feed_forward.w1``.
    :param rows: output features of each.
    :param width: Din.
    :param int8: quantize the weights.
    :raises LoadError: if a tensor is missing or has another shape.
    """
    if f"{names[0]}.scales" in weights:
        parts = [weights.take_int8(name, count, width) for name, count in zip(names, rows, strict=True)]
        return Int8(torch.cat([part.weight for part in parts]), torch.cat([part.scales for part in parts]))
    dtype = torch.float32 if int8 else weights.dtype
    taken = [weights.take(f"{name}.weight", count, width, dtype=dtype) for name, count in zip(names, rows, strict=True)]
    weight = torch.cat(taken) if len(taken) > 1 else taken[0]
    if int8:
        return quantize_int8(weight)
    return Packed(weight) if _can_pack(weight) else Dense(weight.clone())  # a clone, so that the file can be closed


def _can_pack(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
