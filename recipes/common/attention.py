"""Attention for training on a CPU.

Letters: B rows, H heads, N columns, d width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

HIDDEN = -1e4  # added to the score of what may not be looked at


class Attention(torch.autograd.Function):
    """Attention that keeps its probabilities: at these lengths a CPU takes two to three times as long for torch's.

    Neither ``scaled_dot_product_attention`` nor autograd of the written-out products reuses them; the arithmetic is
    that of FlashAttention's backward pass (arXiv 2205.14135, appendix B.4), without its blocks.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        """All (B, H, N, d); ``hidden`` is added to scores, (N, N)."""
        scores = (query * query.shape[-1] ** -0.5) @ key.mT
        shares = (scores if hidden is None else scores.add_(hidden)).softmax(-1)
        mixed: Tensor = shares @ value
        ctx.save_for_backward(query, key, value, shares, mixed)
        return mixed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Of query, key and value."""
        (gradient,) = gradients
        query, key, value, shares, mixed = ctx.saved_tensors
        mean = (gradient.float() * mixed.float()).sum(-1, keepdim=True).to(gradient.dtype)
        scores = (gradient @ value.mT).sub_(mean).mul_(shares)
        scale = query.shape[-1] ** -0.5
        return (scores @ key) * scale, (scores.mT @ query) * scale, shares.mT @ gradient, None


def attend(query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
    """The faster one for where it runs, all (B, H, N, d).

    :param causal: no column looks at later ones.
    """
    if query.is_cuda:
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    hidden = later(query.shape[-2], query) if causal else None
    mixed: Tensor = Attention.apply(query, key, value, hidden)  # type: ignore[no-untyped-call]
    return mixed


def later(columns: int, like: Tensor) -> Tensor:
    """The causal mask to be added to scores, (N, N), of the type and on the device of ``like``."""
    return like.new_full((columns, columns), HIDDEN).triu(1)
