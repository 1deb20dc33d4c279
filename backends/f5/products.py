"""Matrix products of the hot loop, as fast as the device does them.

Letters: T tokens of all rows, H heads, R rows of equal length, N positions of one row, d width of a head.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_SCORES = 2**20  # of attention at once: what stays in a core's cache


class Product:
    """``x W + b``, and a GELU of it where wanted.

    On a CPU the weights are laid out once as oneDNN's kernels want them (they would be for every product, otherwise),
    and the GELU is taken of what comes out of the product before it is rounded and leaves the cache.

    :param weight: shape (out, wide).
    :param bias: shape (out,).
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, gelu: bool = False):
        self.gelu = gelu
        self.bias = bias
        self.packed = weight.device.type == "cpu" and _onednn(weight.dtype)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()) if self.packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """:param x: shape (T, wide); returns (T, out)."""
        if self.packed:
            function, kind = ("gelu", "tanh") if self.gelu else ("none", "")
            product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, function, [], kind)
            return product
        y = F.linear(x, self.weight, self.bias)
        return F.gelu(y, approximate="tanh") if self.gelu else y


@cache
def _onednn(dtype: torch.dtype) -> bool:
    """Whether oneDNN is there and multiplies numbers of this kind."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention within each row.

    In bfloat16 on a CPU it is taken apart into oneDNN's products, because torch's own kernel is no faster there than in
    float32.

    :param query: shape (R, H, N, d), as ``key`` and ``value`` and what is returned.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or not _onednn(query.dtype):
        return F.scaled_dot_product_attention(query, key, value)
    shape, scale = query.shape, query.shape[-1] ** -0.5
    query, key, value = (part.contiguous().flatten(0, 1) for part in (query, key, value))
    mixed = torch.empty_like(value)
    chunk = max(1, CHUNK_SCORES // shape[-2] ** 2)
    scores = query.new_empty(min(chunk, len(query)), shape[-2], shape[-2])
    weights = torch.empty_like(scores)
    for start in range(0, len(query), chunk):
        part = slice(start, start + chunk)
        count = len(query[part])
        torch.baddbmm(scores[:count], query[part], key[part].mT, beta=0, alpha=scale, out=scores[:count])
        torch.softmax(scores[:count], -1, out=weights[:count])
        torch.bmm(weights[:count], value[part], out=mixed[part])
    return mixed.view(shape)
