"""The text2semantic transformer: reads columns of a token and K codes, predicts the next token and all codes at once.

Source: Fish-Speech v0.2.0 ``fish_speech/models/text2semantic/llama.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.common.weights import direct
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.kv_cache import Attention, KVCache
from backends.fish.v0_2.lm.linear import (
    Determinism,
    Int8Linear,
    PackedLinear,
    determinism,
    inference_linear,
    weight_bytes,
)

WIDTH_STEP = 256  # the default feed-forward width is a multiple of this
SINGLE_THREAD_ELEMENTS = 32768 - 1  # torch computes tensors of up to this size in one thread


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes derived from a configuration."""

    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    ids: int

    @classmethod
    def of(cls, config: LMConfig) -> Sizes:
        """Apply the presets of v0.2.0 to values that are None."""
        hidden = config.intermediate_size
        if hidden is None:
            hidden = -(-(8 * config.dim // 3) // WIDTH_STEP) * WIDTH_STEP
        return cls(
            heads=config.n_head,
            kv_heads=config.n_local_heads or config.n_head,
            head_dim=config.head_dim or config.dim // config.n_head,
            hidden=hidden,
            ids=config.vocab_size + config.num_codebooks * config.codebook_size,
        )


# For one frame, looking up the hooks of every module would take some 3 % of the time: modules of a layer have none, and
# their ``__call__`` is ``forward``.


class RMSNorm(nn.RMSNorm):
    """Root mean square normalization, see above."""

    __call__ = nn.RMSNorm.forward


class SelfAttention(nn.Module):
    """Attention with rotary positions."""

    def __init__(self, dim: int, sizes: Sizes):
        super().__init__()
        self.sizes = sizes
        self.wqkv: nn.Module = nn.Linear(dim, (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim, bias=False)
        self.wo: nn.Module = nn.Linear(sizes.heads * sizes.head_dim, dim, bias=False)

    def forward(self, x: Tensor, index: int, rope: Tensor, attention: Attention) -> Tensor:
        """Map (T, D) to (T, D).

        :param index: of the layer.
        """
        sizes, qkv = self.sizes, self.wqkv(x)
        pairs = torch.view_as_complex(qkv.float().view(len(x), -1, sizes.head_dim // 2, 2))
        rotated = torch.view_as_real(rowwise(torch.mul, pairs, rope)).flatten(2)  # (T, H + 2 Hkv, Dh)
        q, kv = rotated[:, : sizes.heads], rotated[:, sizes.heads :]
        y: Tensor = self.wo(attention(index, q, kv.view(len(x), 2, sizes.kv_heads, sizes.head_dim)))
        return y

    __call__ = forward


class FeedForward(nn.Module):
    """SwiGLU. For inference, ``w13`` is ``w1`` stacked on ``w3``."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)
        self.w2: nn.Module = nn.Linear(hidden, dim, bias=False)
        self.w13: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, D) to (T, D)."""
        stacked = self.w13
        gate, up = (self.w1(x), self.w3(x)) if stacked is None else stacked(x).chunk(2, dim=-1)
        y: Tensor = self.w2(rowwise(_swiglu, gate, up))
        return y

    __call__ = forward


class Block(nn.Module):
    """A layer of the transformer."""

    def __init__(self, config: LMConfig, sizes: Sizes):
        super().__init__()
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.attention = SelfAttention(config.dim, sizes)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)
        self.feed_forward = FeedForward(config.dim, sizes.hidden)

    def forward(self, x: Tensor, index: int, rope: Tensor, attention: Attention) -> Tensor:
        """Map (T, D) to (T, D)."""
        x = x + self.attention(self.attention_norm(x), index, rope, attention)
        return x + self.feed_forward(self.ffn_norm(x))

    __call__ = forward


class LanguageModel(nn.Module):
    """The transformer, with the names of v0.2.0. It has no state; sequences live in a :class:`KVCache`."""

    def __init__(self, config: LMConfig):
        super().__init__()
        self.config, self.sizes = config, Sizes.of(config)
        self.embeddings = nn.Embedding(self.sizes.ids, config.dim)
        self.layers = nn.ModuleList(Block(config, self.sizes) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.dim, config.norm_eps)
        self.output: nn.Module = nn.Linear(config.dim, self.sizes.ids, bias=False)
        first_rows = [config.vocab_size + i * config.codebook_size for i in range(config.num_codebooks)]
        with torch.device("cpu"):  # constants, also of a model without weights, on the meta device
            freqs_cis = rope_frequencies(config.max_seq_len, self.sizes.head_dim, config.rope_base)
            self.register_buffer("freqs_cis", freqs_cis, persistent=False)
            self.register_buffer("offsets", torch.tensor([0, *first_rows]), persistent=False)
        self.freqs_cis: Tensor
        self.offsets: Tensor

    @torch.no_grad()
    def optimize(self, device: torch.device, dtype: torch.dtype, *, int8: bool) -> LanguageModel:
        """Convert copies of the weights for inference, one by one, to bound the memory; return the model.

        :param dtype: precision of the computation.
        :param int8: quantize the linear layers.
        :raises LoadError: see :func:`inference_linear`.
        """

        def linear(*layers: nn.Module) -> nn.Module:
            return inference_linear(layers, device, dtype, int8=int8)

        kinds = SelfAttention | FeedForward | nn.Embedding | RMSNorm
        for layer in [layer for layer in self.modules() if isinstance(layer, kinds)]:
            if isinstance(layer, SelfAttention):
                layer.wqkv, layer.wo = linear(layer.wqkv), linear(layer.wo)
            elif isinstance(layer, FeedForward):
                layer.w13, layer.w2 = linear(layer.w1, layer.w3), linear(layer.w2)
                del layer.w1, layer.w3
            else:
                layer.weight = nn.Parameter(layer.weight.to(device, dtype, copy=True), requires_grad=False)
        self.output = linear(self.output)
        return direct(self.to(device))

    def cache(self, slots: int, max_tokens: int) -> KVCache:
        """Allocate a cache for sequences of this model."""
        return KVCache(
            layers=self.config.n_layer,
            slots=slots,
            max_tokens=max_tokens,
            heads=self.sizes.kv_heads,
            head_width=self.sizes.head_dim,
            device=self.device,
            dtype=self.dtype,
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the computation."""
        return self.norm.weight.dtype

    @property
    def determinism(self) -> Determinism:
        """Determinism of a row of logits on a CPU: the weakest guarantee of the linear layers."""
        return min(determinism(layer) for layer in self._linears)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights read per generated frame."""
        return sum(weight_bytes(layer) for layer in self._linears)

    @property
    def _linears(self) -> list[nn.Module]:
        return [layer for layer in self.modules() if isinstance(layer, nn.Linear | PackedLinear | Int8Linear)]

    def forward(self, ids: Tensor, positions: Tensor, attention: Attention, last: int | None = None) -> Tensor:
        """Return next-token logits of each token, float32.

        :param ids: token ID and code IDs of each token, (T, 1 + K), T in tokens.
        :param positions: of the tokens in their sequences, (T,).
        :param last: compute the logits of this token only.
        :returns: (T, V + K * codebook_size), or (1, V + K * codebook_size).
        """
        x = self.hidden(ids, positions, attention)
        return self.logits(x if last is None else x[last : last + 1])

    def hidden(self, ids: Tensor, positions: Tensor, attention: Attention) -> Tensor:
        """Return the last layer's output, (T, D), from the arguments of :meth:`forward`."""
        known = ids != self.config.codebook_padding_idx  # text columns have no codes
        known[:, 0] = True
        x: Tensor = (self.embeddings(ids + self.offsets) * known[..., None]).sum(1)
        rope = self._rope_factors(positions)
        for index, layer in enumerate(self.layers):
            x = layer(x, index, rope, attention)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Map the last layer's output, (T, D), to logits, float32 (T, V + K * codebook_size)."""
        logits: Tensor = self.output(self.norm(x)).float()
        return logits

    def _rope_factors(self, positions: Tensor) -> Tensor:
        """Complex factors of queries, keys and values (1: not rotated) in one tensor, (T, H + 2 Hkv, Dh / 2)."""
        factors, sizes = torch.view_as_complex(self.freqs_cis[positions].float())[:, None], self.sizes
        ones = torch.ones_like(factors).expand(-1, sizes.kv_heads, -1)
        return torch.cat((factors.expand(-1, sizes.heads + sizes.kv_heads, -1), ones), dim=1)


def rowwise(function: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Apply an elementwise function to two tensors with the same number of rows, independently of a row's position.

    Where torch divides an operation among CPU threads, the last elements of a thread's part are computed without
    vector instructions and rounded differently. On a CPU, blocks small enough for one thread avoid that. Training
    does not need it.
    """
    block = max(1, SINGLE_THREAD_ELEMENTS * a.shape[0] // a.numel())
    if a.shape[0] <= block or a.device.type != "cpu" or a.requires_grad:
        return function(a, b)
    return torch.cat([function(*parts) for parts in zip(torch.split(a, block), torch.split(b, block), strict=True)])


def _swiglu(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate) * up


def rope_frequencies(positions: int, head_dim: int, base: float) -> Tensor:
    """Cosines and sines of rotary positions for interleaved pairs, bfloat16 (positions, Dh / 2, 2) as in v0.2.0."""
    frequencies = 1.0 / base ** (torch.arange(0, head_dim, 2).float() / head_dim)
    angles = torch.outer(torch.arange(positions), frequencies)
    return torch.stack((angles.cos(), angles.sin()), dim=-1).to(torch.bfloat16)
