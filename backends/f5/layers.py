"""Layers of the F5-TTS models, for inference; weight names are those of official checkpoints.

A packed tensor holds the tokens of all rows, see :mod:`backends.f5.packing`. In a rectangular one, B counts rows of
equal length T.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.f5.config import Architecture
from backends.f5.linear import PackedLinear, attention
from backends.f5.packing import PackedBatch

EPS = 1e-6
ROTARY_BASE = 10000.0
CONV_TAPS, CONV_GROUPS = 31, 16
TEXT_CONV_TAPS = 7
TIME_FREQUENCIES = 256


class Linear:
    """``x W + b`` over the last dimension."""

    def __init__(self, weights: Weights, name: str, inputs: int, outputs: int, dtype: torch.dtype | None = None):
        self.weight = weights.take(f"{name}.weight", outputs, inputs, dtype=dtype)
        self.bias = weights.take(f"{name}.bias", outputs, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to x of shape (…, inputs)."""
        return F.linear(x, self.weight, self.bias)

    def packed(self, *, gelu: bool = False) -> PackedLinear:
        """Return the same layer for the inner loop."""
        return PackedLinear(self.weight, self.bias, gelu=gelu)


class TimestepEmbedding:
    """Sinusoidal embedding of times and an MLP; in float32, because bfloat16 cannot distinguish times near 0."""

    def __init__(self, weights: Weights, dim: int):
        self.up = Linear(weights, "time_embed.time_mlp.0", TIME_FREQUENCIES, dim, torch.float32)
        self.down = Linear(weights, "time_embed.time_mlp.2", dim, dim, torch.float32)
        half = TIME_FREQUENCIES // 2
        steps = torch.arange(half, device=weights.device).float()
        self.frequencies = torch.exp(steps * -(math.log(10000) / (half - 1)))

    def __call__(self, times: Tensor) -> Tensor:
        """Embed times of shape (nfe,); return (nfe, D)."""
        angles = 1000 * times[:, None] * self.frequencies
        waves = torch.cat((angles.sin(), angles.cos()), dim=-1)
        return self.down(F.silu(self.up(waves)))


class ConvNeXtBlock:
    """ConvNeXt-V2 block over the text; its global response normalization spans the whole row."""

    def __init__(self, weights: Weights, name: str, width: int):
        def take(part: str, *shape: int) -> Tensor:
            return weights.take(f"{name}.{part}", *shape, dtype=torch.float32)

        self.width = width
        self.kernel, self.kernel_bias = take("dwconv.weight", width, 1, TEXT_CONV_TAPS), take("dwconv.bias", width)
        self.norm, self.norm_bias = take("norm.weight", width), take("norm.bias", width)
        self.gamma, self.beta = take("grn.gamma", 1, 1, 2 * width), take("grn.beta", 1, 1, 2 * width)
        self.up = Linear(weights, f"{name}.pwconv1", width, 2 * width, torch.float32)
        self.down = Linear(weights, f"{name}.pwconv2", 2 * width, width, torch.float32)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the block to x of shape (B, T, width)."""
        h = F.conv1d(x.mT, self.kernel, self.kernel_bias, padding=TEXT_CONV_TAPS // 2, groups=self.width).mT
        h = F.gelu(self.up(F.layer_norm(h, (self.width,), self.norm, self.norm_bias, EPS)))
        response = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        response = response / (response.mean(dim=-1, keepdim=True) + EPS)
        return x + self.down(torch.addcmul(self.beta + h, self.gamma, h * response))


class TextEmbedding:
    """Text embedding, extended to the length of the audio; computed once per sample, unbatched and in float32."""

    def __init__(self, weights: Weights, architecture: Architecture, vocab_size: int, max_positions: int):
        width = architecture.text_width
        self.width = width
        self.table = weights.take("text_embed.text_embed.weight", vocab_size + 1, width, dtype=torch.float32)
        blocks = range(architecture.conv_layers)
        self.blocks = [ConvNeXtBlock(weights, f"text_embed.text_blocks.{block}", width) for block in blocks]
        self.mask_padding = architecture.text_mask_padding
        self.upsample = architecture.text_embedding_average_upsampling
        channels = torch.arange(0, width, 2, device=weights.device)[: width // 2].float()
        self.frequencies = ROTARY_BASE ** -(channels / width)
        self.max_positions = max_positions

    def __call__(self, text_ids: Tensor, frames: int, *, guided: bool) -> Tensor:
        """Embed one text.

        :param text_ids: shape (T,), T symbols.
        :param guided: add the unconditional row, whose symbols are all filler.
        :returns: shape (B, frames, width) with one or two rows.
        """
        ids = F.pad(text_ids[:frames] + 1, (0, max(0, frames - len(text_ids))))  # 0 is the filler
        rows = torch.stack((ids, torch.zeros_like(ids))) if guided else ids[None]
        x = F.embedding(rows, self.table)
        filler = (ids == 0)[None, :, None]
        if self.blocks:
            positions = torch.arange(frames, device=ids.device).clamp(max=self.max_positions - 1)
            angles = torch.outer(positions.float(), self.frequencies)
            x = x + torch.cat((angles.cos(), angles.sin()), dim=-1)
            x = self._mask(x, filler)
            for block in self.blocks:
                x = self._mask(block(x), filler)
        return upsample_text(x, min(len(text_ids), frames)) if self.upsample else x

    def _mask(self, x: Tensor, filler: Tensor) -> Tensor:
        return x.masked_fill(filler, 0.0) if self.mask_padding else x


def upsample_text(x: Tensor, symbols: int) -> Tensor:
    """Repeat the first ``symbols`` vectors of x, (B, T, width), to fill T frames; the last ones get the remainder."""
    frames = x.shape[1]
    each, remainder = divmod(frames, symbols)
    repeats = torch.full((symbols,), each, device=x.device)
    repeats[symbols - remainder :] += 1
    return x[:, :symbols].repeat_interleave(repeats, dim=1, output_size=frames)


class ConvPositionEmbedding:
    """Convolutional position embedding: two grouped convolutions over each row."""

    def __init__(self, weights: Weights, dim: int):
        name = "input_embed.conv_pos_embed.conv1d"
        shape = (dim, dim // CONV_GROUPS, CONV_TAPS)
        self.layers = [
            (weights.take(f"{name}.{index}.weight", *shape), weights.take(f"{name}.{index}.bias", dim))
            for index in (0, 2)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Compute the embedding of x of shape (B, T, D)."""
        h = x.mT
        for weight, bias in self.layers:
            h = F.mish(F.conv1d(h, weight, bias, padding=CONV_TAPS // 2, groups=CONV_GROUPS))
        return h.mT


class RotaryEmbedding:
    """Cosine and sine tables of rotary positions, grown to the longest row so far."""

    def __init__(self, head_width: int, device: torch.device, dtype: torch.dtype):
        self.frequencies = ROTARY_BASE ** -(torch.arange(0, head_width, 2, device=device).float() / head_width)
        self.dtype = dtype
        self.cos = self.sin = torch.empty(0, head_width // 2, device=device)

    def __call__(self, packing: PackedBatch) -> tuple[Tensor, Tensor]:
        """Look up cosines and sines for the tokens of a batch, each of shape (T, 1, 1, Dh / 2)."""
        longest = max(run.tokens.stop - run.tokens.start for run in packing.row_runs)
        if longest > len(self.cos):
            angles = torch.outer(torch.arange(longest, device=self.frequencies.device).float(), self.frequencies)
            self.cos, self.sin = angles.cos().to(self.dtype), angles.sin().to(self.dtype)
        return self.cos[packing.positions][:, None, None], self.sin[packing.positions][:, None, None]


class Attention:
    """Self-attention within each row, with rotary positions on all heads or on the first few.

    RoPE rotates pairs of adjacent channels. Queries and keys are stored with the even channels first, so that each pair
    is split over two contiguous halves; scores stay the same because both are reordered alike.
    """

    def __init__(self, weights: Weights, name: str, architecture: Architecture):
        dim, heads, head_width = architecture.dim, architecture.heads, architecture.dim_head
        self.heads, self.head_width = heads, head_width
        self.rotary_heads = heads if architecture.pe_attn_head is None else architecture.pe_attn_head
        order = torch.cat((torch.arange(0, head_width, 2), torch.arange(1, head_width, 2))).to(weights.device)
        even_first = (torch.arange(heads, device=weights.device)[:, None] * head_width + order).flatten()
        query, key, value = (Linear(weights, f"{name}.to_{part}", dim, heads * head_width) for part in "qkv")
        self.qkv = PackedLinear(
            torch.cat((query.weight[even_first], key.weight[even_first], value.weight)),
            torch.cat((query.bias[even_first], key.bias[even_first], value.bias)),
        )
        self.norms: list[Tensor] = []
        if architecture.qk_norm is not None:
            self.norms = [weights.take(f"{name}.{part}_norm.weight", head_width)[order] for part in "qk"]
        self.out = Linear(weights, f"{name}.to_out.0", heads * head_width, dim).packed()

    def __call__(self, x: Tensor, packing: PackedBatch, cos: Tensor, sin: Tensor) -> Tensor:
        """Attend over x of shape (T, D), T tokens of all rows; ``cos`` and ``sin`` from :class:`RotaryEmbedding`."""
        packed = self.qkv(x).view(-1, 3, self.heads, self.head_width)
        for index, norm in enumerate(self.norms):
            packed[:, index] = F.rms_norm(packed[:, index], (self.head_width,), norm, EPS)
        _rotate(packed[:, :2, : self.rotary_heads], cos, sin)
        mixed = x.new_empty(len(x), self.heads, self.head_width)
        for run in packing.row_runs:
            rows = packed[run.tokens].view(run.rows, -1, 3, self.heads, self.head_width)
            query, key, value = rows.permute(2, 0, 3, 1, 4)  # each (B, H, T, Dh)
            heads = attention(query, key, value)
            mixed[run.tokens].view(run.rows, -1, self.heads, self.head_width).copy_(heads.transpose(1, 2))
        return self.out(mixed.flatten(1))


def _rotate(query_key: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Apply RoPE in place to queries and keys, shape (T, 2, H, Dh)."""
    half = query_key.shape[-1] // 2
    real, imaginary = query_key[..., :half], query_key[..., half:]
    rotated = torch.addcmul(real * cos, imaginary, sin, value=-1)
    imaginary.mul_(cos).addcmul_(real, sin)
    real.copy_(rotated)


class FeedForward:
    """Two linear layers with a GELU between them."""

    def __init__(self, weights: Weights, name: str, dim: int, mult: float):
        inner = int(dim * mult)
        self.up = Linear(weights, f"{name}.ff.0.0", dim, inner).packed(gelu=True)
        self.down = Linear(weights, f"{name}.ff.2", inner, dim).packed()

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layers to x of shape (T, D), T tokens of all rows."""
        return self.down(self.up(x))
