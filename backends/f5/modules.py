"""The parts of F5-TTS's networks, as inference needs them, under the names official checkpoints give their weights.

Letters: N positions of one row, T tokens of all rows, R rows of equal length, D width of the network, C width of the
text embedding, H heads, d width of a head, S times.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.f5.layout import Layout
from backends.f5.model import Architecture
from backends.f5.products import Product, attend

EPS = 1e-6
ROTARY_BASE = 10000.0
CONV_TAPS, CONV_GROUPS = 31, 16
TEXT_CONV_TAPS = 7
TIME_FREQUENCIES = 256


class Linear:
    """``x W + b`` over the last dimension."""

    def __init__(self, weights: Weights, name: str, wide: int, out: int, dtype: torch.dtype | None = None):
        self.weight = weights.take(f"{name}.weight", out, wide, dtype=dtype)
        self.bias = weights.take(f"{name}.bias", out, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """:param x: shape (…, wide)."""
        return F.linear(x, self.weight, self.bias)

    def product(self, *, gelu: bool = False) -> Product:
        """The same for the hot loop."""
        return Product(self.weight, self.bias, gelu=gelu)


class TimeEmbedding:
    """A vector for each time; float32, because times close to 0 differ in digits that bfloat16 does not have."""

    def __init__(self, weights: Weights, dim: int):
        self.first = Linear(weights, "time_embed.time_mlp.0", TIME_FREQUENCIES, dim, torch.float32)
        self.second = Linear(weights, "time_embed.time_mlp.2", dim, dim, torch.float32)
        half = TIME_FREQUENCIES // 2
        steps = torch.arange(half, device=weights.device).float()
        self.frequencies = torch.exp(steps * -(math.log(10000) / (half - 1)))

    def __call__(self, times: Tensor) -> Tensor:
        """:param times: shape (S,); returns (S, D)."""
        angles = 1000 * times[:, None] * self.frequencies
        waves = torch.cat((angles.sin(), angles.cos()), dim=-1)
        return self.second(F.silu(self.first(waves)))


class TextBlock:
    """A ConvNeXt-V2 block over the text; its response normalisation looks at the whole row."""

    def __init__(self, weights: Weights, name: str, width: int):
        def take(part: str, *shape: int) -> Tensor:
            return weights.take(f"{name}.{part}", *shape, dtype=torch.float32)

        self.width = width
        self.taps, self.taps_bias = take("dwconv.weight", width, 1, TEXT_CONV_TAPS), take("dwconv.bias", width)
        self.norm, self.norm_bias = take("norm.weight", width), take("norm.bias", width)
        self.gamma, self.beta = take("grn.gamma", 1, 1, 2 * width), take("grn.beta", 1, 1, 2 * width)
        self.rise = Linear(weights, f"{name}.pwconv1", width, 2 * width, torch.float32)
        self.fall = Linear(weights, f"{name}.pwconv2", 2 * width, width, torch.float32)

    def __call__(self, x: Tensor) -> Tensor:
        """:param x: shape (R, N, C)."""
        h = F.conv1d(x.mT, self.taps, self.taps_bias, padding=TEXT_CONV_TAPS // 2, groups=self.width).mT
        h = F.gelu(self.rise(F.layer_norm(h, (self.width,), self.norm, self.norm_bias, EPS)))
        response = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        response = response / (response.mean(dim=-1, keepdim=True) + EPS)
        return x + self.fall(torch.addcmul(self.beta + h, self.gamma, h * response))


class TextEmbedding:
    """The text stretched to the length of the audio. Computed once per sample, alone and in float32."""

    def __init__(self, weights: Weights, architecture: Architecture, symbols: int, positions: int):
        width = architecture.text_width
        self.width = width
        self.table = weights.take("text_embed.text_embed.weight", symbols + 1, width, dtype=torch.float32)
        blocks = range(architecture.conv_layers)
        self.blocks = [TextBlock(weights, f"text_embed.text_blocks.{block}", width) for block in blocks]
        self.mask_padding = architecture.text_mask_padding
        self.upsample = architecture.text_embedding_average_upsampling
        inverse = ROTARY_BASE ** -(torch.arange(0, width, 2, device=weights.device)[: width // 2].float() / width)
        self.inverse, self.positions = inverse, positions

    def __call__(self, symbols: Tensor, frames: int, *, guided: bool) -> Tensor:
        """Embed one text.

        :param symbols: ids, shape (L,).
        :param guided: add the unconditional row, in which every symbol is the filler.
        :returns: (R, frames, C).
        """
        ids = F.pad(symbols[:frames] + 1, (0, max(0, frames - len(symbols))))  # 0 is the filler
        rows = torch.stack((ids, torch.zeros_like(ids))) if guided else ids[None]
        x = F.embedding(rows, self.table)
        filler = (ids == 0)[None, :, None]
        if self.blocks:
            place = torch.arange(frames, device=ids.device).clamp(max=self.positions - 1)
            angles = torch.outer(place.float(), self.inverse)
            x = x + torch.cat((angles.cos(), angles.sin()), dim=-1)
            x = self._mask(x, filler)
            for block in self.blocks:
                x = self._mask(block(x), filler)
        return _stretch(x, min(len(symbols), frames)) if self.upsample else x

    def _mask(self, x: Tensor, filler: Tensor) -> Tensor:
        return x.masked_fill(filler, 0.0) if self.mask_padding else x


def _stretch(x: Tensor, symbols: int) -> Tensor:
    """Repeat the symbols' vectors over the whole row (R, N, C); the last ones take one frame more each."""
    frames = x.shape[1]
    each, more = divmod(frames, symbols)
    repeats = torch.full((symbols,), each, device=x.device)
    repeats[symbols - more :] += 1
    return x[:, :symbols].repeat_interleave(repeats, dim=1, output_size=frames)


class ConvPosition:
    """Tells a token its place by what is around it: two grouped convolutions."""

    def __init__(self, weights: Weights, dim: int):
        name = "input_embed.conv_pos_embed.conv1d"
        shape = (dim, dim // CONV_GROUPS, CONV_TAPS)
        self.layers = [
            (weights.take(f"{name}.{index}.weight", *shape), weights.take(f"{name}.{index}.bias", dim))
            for index in (0, 2)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """:param x: shape (R, N, D)."""
        h = x.mT
        for weight, bias in self.layers:
            h = F.mish(F.conv1d(h, weight, bias, padding=CONV_TAPS // 2, groups=CONV_GROUPS))
        return h.mT


class Rotary:
    """Cosines and sines for each position, kept for the longest row seen."""

    def __init__(self, head: int, device: torch.device, dtype: torch.dtype):
        self.inverse = ROTARY_BASE ** -(torch.arange(0, head, 2, device=device).float() / head)
        self.dtype = dtype
        self.cos = self.sin = torch.empty(0, head // 2, device=device)

    def __call__(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """Cosines and sines of a layout's tokens, each of shape (T, 1, 1, d / 2)."""
        needed = max(run.tokens.stop - run.tokens.start for run in layout.row_runs)
        if needed > len(self.cos):
            angles = torch.outer(torch.arange(needed, device=self.inverse.device).float(), self.inverse)
            self.cos, self.sin = angles.cos().to(self.dtype), angles.sin().to(self.dtype)
        return self.cos[layout.positions][:, None, None], self.sin[layout.positions][:, None, None]


class Attention:
    """Self-attention within each row, with rotary positions on all heads or on the first few.

    Rotation pairs neighbouring channels; queries and keys are stored with the even channels first, so that the two of a
    pair lie in two contiguous halves. Scores do not change, because both are stored in the same order.
    """

    def __init__(self, weights: Weights, name: str, architecture: Architecture):
        dim, heads, head = architecture.dim, architecture.heads, architecture.dim_head
        self.heads, self.head = heads, head
        self.rotated = heads if architecture.pe_attn_head is None else architecture.pe_attn_head
        order = torch.cat((torch.arange(0, head, 2), torch.arange(1, head, 2))).to(weights.device)
        halves = (torch.arange(heads, device=weights.device)[:, None] * head + order).flatten()
        parts = [Linear(weights, f"{name}.to_{part}", dim, heads * head) for part in "qkv"]
        query, key, value = parts
        self.project = Product(
            torch.cat((query.weight[halves], key.weight[halves], value.weight)),
            torch.cat((query.bias[halves], key.bias[halves], value.bias)),
        )
        self.norms: list[Tensor] = []
        if architecture.qk_norm is not None:
            self.norms = [weights.take(f"{name}.{part}_norm.weight", head)[order] for part in "qk"]
        self.out = Linear(weights, f"{name}.to_out.0", heads * head, dim).product()

    def __call__(self, x: Tensor, layout: Layout, cos: Tensor, sin: Tensor) -> Tensor:
        """:param x: shape (T, D)."""
        packed = self.project(x).view(-1, 3, self.heads, self.head)
        for index, norm in enumerate(self.norms):
            packed[:, index] = F.rms_norm(packed[:, index], (self.head,), norm, EPS)
        _rotate(packed[:, :2, : self.rotated], cos, sin)
        mixed = x.new_empty(len(x), self.heads, self.head)
        for run in layout.row_runs:
            rows = packed[run.tokens].view(run.rows, -1, 3, self.heads, self.head)
            query, key, value = rows.permute(2, 0, 3, 1, 4)  # each (R, H, N, d)
            heads = attend(query, key, value)
            mixed[run.tokens].view(run.rows, -1, self.heads, self.head).copy_(heads.transpose(1, 2))
        return self.out(mixed.flatten(1))


def _rotate(pairs: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Turn queries and keys, shape (T, 2, H, d), by their positions, in place."""
    half = pairs.shape[-1] // 2
    real, imaginary = pairs[..., :half], pairs[..., half:]
    turned = torch.addcmul(real * cos, imaginary, sin, value=-1)
    imaginary.mul_(cos).addcmul_(real, sin)
    real.copy_(turned)


class FeedForward:
    """Two layers with a GELU between them."""

    def __init__(self, weights: Weights, name: str, dim: int, mult: float):
        inner = int(dim * mult)
        self.rise = Linear(weights, f"{name}.ff.0.0", dim, inner).product(gelu=True)
        self.fall = Linear(weights, f"{name}.ff.2", inner, dim).product()

    def __call__(self, x: Tensor) -> Tensor:
        """:param x: shape (T, D)."""
        return self.fall(self.rise(x))
