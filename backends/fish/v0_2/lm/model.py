"""The transformer of text2semantic: text and codes in, one column at a time; a token and all codes out, side by side.

Letters: T tokens of one call, n codebooks, W width (``dim``), H heads of queries, G of keys and values, D width of a
head, V text vocabulary, C rows of a codebook (``codebook_size``). Logits are (V + n * C).

Source: Fish-Speech v0.2.0 ``fish_speech/models/text2semantic/llama.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.kv_cache import Attend, Cache
from backends.fish.v0_2.lm.linear import LayerWeights, Linear, Rows, take_linear

WIDTH_STEP = 256  # of the feed-forward layers, where their width is not given
SERIAL = 32768 - 1  # elements that torch computes in one thread


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a configuration comes to."""

    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    ids: int

    @classmethod
    def of(cls, config: LMConfig) -> Sizes:
        """With the presets of v0.2.0 for what is None."""
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
    """One layer's weights; ``w13`` is w1 over w3."""

    attention_norm: Tensor
    wqkv: Linear
    wo: Linear
    ffn_norm: Tensor
    w13: Linear
    w2: Linear


class LanguageModel:
    """The network on one device, without state; sequences live in a :class:`Cache`.

    :param weights: all of its tensors, under the names of v0.2.0.
    :param int8: round linear layers to 8 bits.
    """

    def __init__(self, weights: LayerWeights, config: LMConfig, *, int8: bool):
        self.config, self.sizes = config, Sizes.of(config)
        self.device, self.dtype = weights.device, weights.dtype
        width, sizes = config.dim, self.sizes
        self.embeddings = weights.take("embeddings.weight", sizes.ids, width).clone()
        first_rows = [config.vocab_size + i * config.codebook_size for i in range(config.num_codebooks)]
        for row in first_rows:  # under text there are no codes: they add nothing
            self.embeddings[row + config.codebook_padding_idx] = 0
        self.offsets = torch.tensor([0, *first_rows], device=self.device)
        attended = sizes.heads * sizes.head_dim
        joined = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
        self.blocks: list[Block] = []
        for index in range(config.n_layer):
            name = f"layers.{index}"
            self.blocks.append(
                Block(
                    weights.take(f"{name}.attention_norm.weight", width).clone(),
                    take_linear(weights, [f"{name}.attention.wqkv"], [joined], width, int8=int8),
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
        self.rotations = rotations(config.max_seq_len, sizes.head_dim, config.rope_base).to(self.device)

    def cache(self, slots: int, max_tokens: int) -> Cache:
        """Memory for sequences of this network."""
        return Cache(
            layers=self.config.n_layer,
            slots=slots,
            max_tokens=max_tokens,
            heads=self.sizes.kv_heads,
            width=self.sizes.head_dim,
            device=self.device,
            dtype=self.dtype,
        )

    @property
    def rows(self) -> Rows:
        """What it promises of a row of logits, on a CPU."""
        kinds = {linear.rows for linear in self._linears}
        return next(kind for kind in (Rows.NONE, Rows.FIXED, Rows.FREE) if kind in kinds)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that are read for each frame."""
        return sum(linear.nbytes for linear in self._linears)

    @property
    def _linears(self) -> list[Linear]:
        layers = [linear for block in self.blocks for linear in (block.wqkv, block.wo, block.w13, block.w2)]
        return [*layers, self.output]

    def __call__(self, ids: Tensor, positions: Tensor, attend: Attend, last: int | None = None) -> Tensor:
        """Logits of what follows each token.

        :param ids: text id and codes + 2 of each token, (T, 1 + n).
        :param positions: where they stand in their sequences, (T,).
        :param last: only that token's are wanted.
        :returns: (T, V + n * C), or (1, V + n * C), float32.
        """
        x = self.embeddings[ids + self.offsets].sum(1)  # (T, W)
        rotation = self._rotation(positions)
        for index, block in enumerate(self.blocks):
            x = x + block.wo(self._attention(index, block.wqkv(self._norm(x, block.attention_norm)), rotation, attend))
            gate, up = block.w13(self._norm(x, block.ffn_norm)).chunk(2, dim=-1)
            x = x + block.w2(by_rows(_gated, gate, up))
        if last is not None:
            x = x[last : last + 1]
        return self.output(self._norm(x, self.norm)).float()

    def _attention(self, index: int, qkv: Tensor, rotation: Tensor, attend: Attend) -> Tensor:
        """From (T, (H + 2 G) * D) to (T, H * D)."""
        count, sizes = qkv.shape[0], self.sizes
        pairs = torch.view_as_complex(qkv.float().view(count, -1, sizes.head_dim // 2, 2))
        turned = torch.view_as_real(by_rows(torch.mul, pairs, rotation)).flatten(2)  # (T, H + 2 G, D)
        q, kv = turned[:, : sizes.heads], turned[:, sizes.heads :]
        return attend(index, q, kv.view(count, 2, sizes.kv_heads, sizes.head_dim))

    def _rotation(self, positions: Tensor) -> Tensor:
        """Rotary factors for queries, keys and values (which are not turned) in one: (T, H + 2 G, D / 2)."""
        turns, sizes = self.rotations[positions][:, None], self.sizes
        values = torch.ones_like(turns).expand(-1, sizes.kv_heads, -1)
        return torch.cat((turns.expand(-1, sizes.heads + sizes.kv_heads, -1), values), dim=1)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.config.norm_eps)


def by_rows(function: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Apply an elementwise function to two tensors of as many rows.

    On a CPU in blocks small enough for one thread: where torch cuts an operation for several threads, the last elements
    before the cut are computed without vector instructions and rounded otherwise, so that a row would depend on where
    it stands.
    """
    block = max(1, SERIAL * a.shape[0] // a.numel())
    if a.shape[0] <= block or a.device.type != "cpu":
        return function(a, b)
    return torch.cat([function(*parts) for parts in zip(torch.split(a, block), torch.split(b, block), strict=True)])


def _gated(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate) * up


def rotations(positions: int, width: int, base: float) -> Tensor:
    """Rotary factors of interleaved pairs, (positions, width / 2), complex; published models round them to bfloat16."""
    frequencies = 1.0 / base ** (torch.arange(0, width, 2).float() / width)
    angles = torch.outer(torch.arange(positions), frequencies)
    parts = torch.stack((angles.cos(), angles.sin()), dim=-1)
    return torch.view_as_complex(parts.to(torch.bfloat16).float())
