"""The text2semantic transformer: reads columns of a token and K codes, predicts the next token and all codes at once.

Source: Fish-Speech v0.2.0 ``fish_speech/models/text2semantic/llama.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.kv_cache import Attention, KVCache
from backends.fish.v0_2.lm.linear import Determinism, LayerWeights, Linear, take_linear

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


@dataclass(slots=True)
class Block:
    """Weights of one layer; ``w13`` is w1 stacked on w3."""

    attention_norm: Tensor
    wqkv: Linear
    wo: Linear
    ffn_norm: Tensor
    w13: Linear
    w2: Linear


class LanguageModel:
    """The transformer on one device. It has no state; sequences live in a :class:`KVCache`.

    :param weights: its tensors, under the names of v0.2.0.
    :param int8: quantize the linear layers.
    """

    def __init__(self, weights: LayerWeights, config: LMConfig, *, int8: bool):
        self.config, self.sizes = config, Sizes.of(config)
        self.device, self.dtype = weights.device, weights.dtype
        width, sizes = config.dim, self.sizes
        self.embeddings = weights.take("embeddings.weight", sizes.ids, width).clone()
        first_rows = [config.vocab_size + i * config.codebook_size for i in range(config.num_codebooks)]
        for row in first_rows:  # text columns have no codes: padding adds nothing to the sum
            self.embeddings[row + config.codebook_padding_idx] = 0
        self.offsets = torch.tensor([0, *first_rows], device=self.device)
        attended = sizes.heads * sizes.head_dim
        qkv_rows = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
        self.blocks: list[Block] = []
        for index in range(config.n_layer):
            name = f"layers.{index}"
            self.blocks.append(
                Block(
                    weights.take(f"{name}.attention_norm.weight", width).clone(),
                    take_linear(weights, [f"{name}.attention.wqkv"], [qkv_rows], width, int8=int8),
                    take_linear(weights, [f"{name}.attention.wo"], [width], attended, int8=int8),
                    weights.take(f"{name}.ffn_norm.weight", width).clone(),
                    take_linear(
                        weights,
                        [f"{name}.feed_forward.w1", f"{name}.feed_forward.w3"],
                        [sizes.hidden, sizes.hidden],
                        width,
                        int8=int8,
                    ),
                    take_linear(weights, [f"{name}.feed_forward.w2"], [width], sizes.hidden, int8=int8),
                )
            )
        self.norm = weights.take("norm.weight", width).clone()
        self.output = take_linear(weights, ["output"], [sizes.ids], width, int8=int8)
        self._rope = rope_frequencies(config.max_seq_len, sizes.head_dim, config.rope_base).to(self.device)

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
    def determinism(self) -> Determinism:
        """Determinism of a row of logits on a CPU: the weakest guarantee of the layers."""
        kinds = {linear.determinism for linear in self._linears}
        ordered = (Determinism.NONE, Determinism.BATCH_SIZE, Determinism.ROW)
        return next(kind for kind in ordered if kind in kinds)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights read per generated frame."""
        return sum(linear.nbytes for linear in self._linears)

    @property
    def _linears(self) -> list[Linear]:
        layers = [linear for block in self.blocks for linear in (block.wqkv, block.wo, block.w13, block.w2)]
        return [*layers, self.output]

    def __call__(self, ids: Tensor, positions: Tensor, attention: Attention, last: int | None = None) -> Tensor:
        """Return next-token logits of each token, float32.

        :param ids: token ID and code IDs of each token, (T, 1 + K), T in tokens.
        :param positions: of the tokens in their sequences, (T,).
        :param last: compute the logits of this token only.
        :returns: (T, V + K * codebook_size), or (1, V + K * codebook_size).
        """
        x = self.embeddings[ids + self.offsets].sum(1)  # (T, D)
        rope = self._rope_factors(positions)
        for index, block in enumerate(self.blocks):
            qkv = block.wqkv(self._norm(x, block.attention_norm))
            x = x + block.wo(self._attend(index, qkv, rope, attention))
            gate, up = block.w13(self._norm(x, block.ffn_norm)).chunk(2, dim=-1)
            x = x + block.w2(rowwise(_swiglu, gate, up))
        if last is not None:
            x = x[last : last + 1]
        return self.output(self._norm(x, self.norm)).float()

    def _attend(self, index: int, qkv: Tensor, rope: Tensor, attention: Attention) -> Tensor:
        """(T, (H + 2 Hkv) * Dh) -> (T, H * Dh)."""
        count, sizes = qkv.shape[0], self.sizes
        pairs = torch.view_as_complex(qkv.float().view(count, -1, sizes.head_dim // 2, 2))
        rotated = torch.view_as_real(rowwise(torch.mul, pairs, rope)).flatten(2)  # (T, H + 2 Hkv, Dh)
        q, kv = rotated[:, : sizes.heads], rotated[:, sizes.heads :]
        return attention(index, q, kv.view(count, 2, sizes.kv_heads, sizes.head_dim))

    def _rope_factors(self, positions: Tensor) -> Tensor:
        """Complex factors of queries, keys and values (1: not rotated) in one tensor, (T, H + 2 Hkv, Dh / 2)."""
        factors, sizes = self._rope[positions][:, None], self.sizes
        ones = torch.ones_like(factors).expand(-1, sizes.kv_heads, -1)
        return torch.cat((factors.expand(-1, sizes.heads + sizes.kv_heads, -1), ones), dim=1)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.config.norm_eps)


def rowwise(function: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Apply an elementwise function to two tensors with the same number of rows, independently of a row's position.

    Where torch divides an operation among CPU threads, the last elements of a thread's part are computed without
    vector instructions and rounded differently. On a CPU, blocks small enough for one thread avoid that.
    """
    block = max(1, SINGLE_THREAD_ELEMENTS * a.shape[0] // a.numel())
    if a.shape[0] <= block or a.device.type != "cpu":
        return function(a, b)
    return torch.cat([function(*parts) for parts in zip(torch.split(a, block), torch.split(b, block), strict=True)])


def _swiglu(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate) * up


def rope_frequencies(positions: int, head_dim: int, base: float) -> Tensor:
    """Rotary factors of interleaved pairs, complex (positions, Dh / 2), rounded to bfloat16 as in published models."""
    frequencies = 1.0 / base ** (torch.arange(0, head_dim, 2).float() / head_dim)
    angles = torch.outer(torch.arange(positions), frequencies)
    parts = torch.stack((angles.cos(), angles.sin()), dim=-1)
    return torch.view_as_complex(parts.to(torch.bfloat16).float())
