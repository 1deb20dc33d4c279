"""Matrix products and attention of the inner loop, with oneDNN kernels on a CPU."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

SCORES_PER_BLOCK = 2**20  # attention scores computed at once: they stay in a core's cache


class PackedLinear:
    """``x W + b``, optionally followed by a GELU.

    On a CPU the weight is reordered once into oneDNN's layout instead of at every call, and the GELU is fused: it sees
    the product before rounding.

    :param weight: shape (out, in).
    :param bias: shape (out,).
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, gelu: bool = False):
        self.gelu = gelu
        self.bias = bias
        self.packed = weight.device.type == "cpu" and _onednn_supports(weight.dtype)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()) if self.packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to x of shape (T, in), T tokens of all rows; return (T, out)."""
        if self.packed:
            function, kind = ("gelu", "tanh") if self.gelu else ("none", "")
            product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, function, [], kind)
            return product
        y = F.linear(x, self.weight, self.bias)
        return F.gelu(y, approximate="tanh") if self.gelu else y


@cache
def _onednn_supports(dtype: torch.dtype) -> bool:
    """Whether oneDNN is available and has kernels for this dtype."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention within each row.

    In bfloat16 on a CPU it is composed of oneDNN products: torch's own kernel is no faster there than in float32.

    :param query: shape (B, H, T, Dh), as are ``key``, ``value`` and the result.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or not _onednn_supports(query.dtype):
        return F.scaled_dot_product_attention(query, key, value)
    shape, scale = query.shape, query.shape[-1] ** -0.5
    query, key, value = (part.contiguous().flatten(0, 1) for part in (query, key, value))  # (B · H, T, Dh)
    mixed = torch.empty_like(value)
    block = max(1, SCORES_PER_BLOCK // shape[-2] ** 2)
    scores = query.new_empty(min(block, len(query)), shape[-2], shape[-2])
    probs = torch.empty_like(scores)
    for start in range(0, len(query), block):
        part = slice(start, start + block)
        count = len(query[part])
        torch.baddbmm(scores[:count], query[part], key[part].mT, beta=0, alpha=scale, out=scores[:count])
        torch.softmax(scores[:count], -1, out=probs[:count])
        torch.bmm(probs[:count], value[part], out=mixed[part])
    return mixed.view(shape)
