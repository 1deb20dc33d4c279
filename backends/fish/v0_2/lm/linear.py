"""Linear layers in the forms their weights take: as they are, packed for a CPU, rounded to 8 bits.

Letters: R rows of input, K features in, N features out. A layer maps (R, K) to (R, N).

Decoding is bound by how fast the weights are read, so each form brings the kernel that reads it fastest. On a CPU
oneDNN keeps weights in an order of its own; ``F.linear`` would put them into it anew at every call.
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

PACKED_FOR = 64  # rows; the order oneDNN picks for these is good for one row too, but not the other way round
INT8_ROWS = 16  # for more, turning weights back first costs less than multiplying 8 bits
INT8_STEP = 32  # the 8-bit kernel reads so many features at a time


class Rows(Enum):
    """What a layer's kernel promises of a row's result, bit for bit, on a CPU."""

    FREE = "it depends on the row alone"
    FIXED = "it depends on how many rows there are, but not on which of them it is"
    NONE = "it may depend on both"


class Linear(Protocol):
    """A layer without bias, (R, K) -> (R, N); ``nbytes`` of weights are read at every call."""

    @property
    def rows(self) -> Rows: ...  # noqa: D102 - see its type

    @property
    def nbytes(self) -> int: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor: ...  # noqa: D102


class Dense:
    """Weights (N, K) as they are."""

    rows = Rows.NONE  # MKL computes the rows that are left over after blocks of four in another order

    def __init__(self, weight: Tensor):
        self.weight, self.nbytes = weight, weight.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """(R, K) -> (R, N)."""
        return F.linear(x, self.weight)


class Packed:
    """Weights in oneDNN's order, for float32 or bfloat16 on an x86 CPU."""

    rows = Rows.FIXED

    def __init__(self, weight: Tensor):
        self.nbytes = weight.nbytes
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), PACKED_FOR)

    def __call__(self, x: Tensor) -> Tensor:
        """(R, K) -> (R, N)."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")
        return made


class Int8:
    """Weights (N, K) of 8 bits and a scale for each row (N,): y = (x · W) · scales.

    Layout and formula are those of Fish-Speech v0.2.0 ``tools/llama/quantize.py``. On a CPU, inputs are rounded to
    bfloat16.
    """

    def __init__(self, weight: Tensor, scales: Tensor):
        self.weight, self.scales, self.nbytes = weight, scales, weight.nbytes + scales.nbytes
        self._has_kernel = weight.device.type == "cpu" and weight.shape[1] % INT8_STEP == 0
        self.rows = Rows.FREE if self._has_kernel else Rows.NONE

    def __call__(self, x: Tensor) -> Tensor:
        """(R, K) -> (R, N)."""
        if not self._has_kernel:
            return F.linear(x, self.weight.to(x.dtype)) * self.scales.to(x.dtype)
        rounded = x.to(torch.bfloat16)
        if x.shape[0] <= INT8_ROWS:
            made: Tensor = torch.ops.aten._weight_int8pack_mm(rounded, self.weight, self.scales)
            return made.to(x.dtype)
        return (F.linear(rounded, self.weight.to(torch.bfloat16)) * self.scales).to(x.dtype)


def quantized(weight: Tensor) -> Int8:
    """Round weights (N, K) to 8 bits: symmetric, the scale of a row is max |w| / 127.5."""
    weight = weight.float()
    scales = (weight.abs().amax(1) / 127.5).clamp(min=torch.finfo(torch.float32).eps).to(torch.bfloat16)
    rounded = (weight / scales.float()[:, None]).round().clamp(-128, 127)
    return Int8(rounded.to(torch.int8), scales)


class LayerWeights(Weights):
    """Named tensors of which some may be rounded to 8 bits."""

    def take_int8(self, name: str, rows: int, width: int) -> Int8:
        """Hand out a layer, scales included.

        :param name: of the module.
        :raises LoadError: there is none of 8 bits and that shape.
        """
        weight = self._find(f"{name}.weight")
        if weight.dtype != torch.int8 or weight.shape != (rows, width):
            found = f"{str(weight.dtype).removeprefix('torch.')} of shape {tuple(weight.shape)}"
            raise LoadError(f"{self._source}: {name}.weight is {found}, not int8 of shape {(rows, width)}")
        self.drop(f"{name}.weight")
        return Int8(weight.to(self.device), self.take(f"{name}.scales", rows, dtype=torch.bfloat16))


def take_linear(weights: LayerWeights, names: Sequence[str], rows: Sequence[int], width: int, *, int8: bool) -> Linear:
    """Build one layer of the stacked rows of several; they may be of 8 bits already.

    :param names: of the modules, e.g. ``layers.0.feed_forward.w1``.
    :param rows: of each of them.
    :param width: K.
    :param int8: round them to 8 bits.
    :raises LoadError: a tensor is missing or has another shape.
    """
    if f"{names[0]}.scales" in weights:
        parts = [weights.take_int8(name, count, width) for name, count in zip(names, rows, strict=True)]
        return Int8(torch.cat([part.weight for part in parts]), torch.cat([part.scales for part in parts]))
    dtype = torch.float32 if int8 else weights.dtype
    taken = [weights.take(f"{name}.weight", count, width, dtype=dtype) for name, count in zip(names, rows, strict=True)]
    weight = torch.cat(taken) if len(taken) > 1 else taken[0]
    if int8:
        return quantized(weight)
    return Packed(weight) if _packs(weight) else Dense(weight.clone())  # a clone, so that the file can be closed


def _packs(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
