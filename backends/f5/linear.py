"""Matrix products and attention of the inner loop, with oneDNN kernels on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.common import onednn

SCORES_PER_BLOCK = 2**20  # attention scores computed at once: they stay in a core's cache


class PackedLinear(nn.Linear):
    """``x W + b``, optionally followed by a GELU. :meth:`pack` prepares it for inference.

    On a CPU a packed layer's GELU is fused: it sees the product before rounding.
    """

    packed: Tensor | None = None

    def __init__(self, inputs: int, outputs: int, bias: bool = True, *, gelu: bool = False):
        super().__init__(inputs, outputs, bias)
        self.gelu = gelu

    @classmethod
    def from_weights(cls, weight: Tensor, bias: Tensor) -> PackedLinear:
        """Build a packed layer from a weight (out, in) and a bias (out,)."""
        with torch.device("meta"):
            layer = cls(weight.shape[1], weight.shape[0])
        layer.weight, layer.bias = (nn.Parameter(value, requires_grad=False) for value in (weight, bias))
        layer.pack()
        return layer

    def pack(self) -> None:
        """Replace the weight by a packed one, if oneDNN has a kernel for it."""
        if onednn.can_pack(self.weight):
            self.packed = onednn.pack(self.weight)
            del self.weight

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to x of shape (…, in); return (…, out)."""
        if self.packed is not None:
            return onednn.linear(x, self.packed, self.bias, gelu=self.gelu)
        y = super().forward(x)
        return F.gelu(y, approximate="tanh") if self.gelu else y

    __call__ = forward  # without hooks: calls are frequent


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention within each row.

    In bfloat16 on a CPU it is composed of oneDNN products: torch's own kernel is no faster there than in float32.

    :param query: shape (B, H, T, Dh), as are ``key``, ``value`` and the result.
    """
    if query.dtype != torch.bfloat16 or not onednn.can_pack(query):
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
