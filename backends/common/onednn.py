"""Linear layers with oneDNN on a CPU; the only calls of torch's private operators for them.

oneDNN computes with weights in an order of its own. ``F.linear`` reorders them at every call, :func:`pack` once.
"""

from __future__ import annotations

import torch
from torch import Tensor


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN has kernels for a weight's device and dtype."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def pack(weight: Tensor, rows: int | None = None) -> Tensor:
    """Reorder a weight (Dout, Din) for :func:`linear`; the result is opaque to other operators.

    :param rows: number of input rows to choose the order for.
    """
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    return packed


def linear(x: Tensor, packed: Tensor, bias: Tensor | None = None, *, gelu: bool = False) -> Tensor:
    """Compute ``x W + b``: (…, Din) -> (…, Dout), optionally followed by a GELU that sees the result unrounded."""
    function, kind = ("gelu", "tanh") if gelu else ("none", "")
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, function, [], kind)
    return product
