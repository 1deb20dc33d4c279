"""Layers of the F5-TTS models; parameter names are those of official checkpoints.

A packed tensor holds the tokens of all rows, see :mod:`backends.f5.packing`. In a rectangular one, B counts rows of
equal length T. Every layer can be trained until it is packed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.config import MELS, Architecture
from backends.f5.linear import PackedLinear, attention
from backends.f5.packing import PackedBatch

EPS = 1e-6
ROTARY_BASE = 10000.0
CONV_TAPS, CONV_GROUPS = 31, 16
TEXT_CONV_TAPS = 7
TIME_FREQUENCIES = 256

Modulated = Sequence[tuple[slice | EllipsisType, Tensor]]
"""Ranges of tokens, each with its adaptive constants; together they cover all tokens in order."""


class TimestepEmbedding(nn.Module):
    """Sinusoidal embedding of times and an MLP; in float32, because bfloat16 cannot distinguish times near 0."""

    def __init__(self, dim: int):
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(TIME_FREQUENCIES, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, times: Tensor) -> Tensor:
        """Embed times of shape (nfe,); return (nfe, D)."""
        half = TIME_FREQUENCIES // 2
        frequencies = torch.exp(torch.arange(half, device=times.device).float() * -(math.log(10000) / (half - 1)))
        angles = 1000 * times[:, None] * frequencies
        embedded: Tensor = self.time_mlp(torch.cat((angles.sin(), angles.cos()), dim=-1))
        return embedded


class ResponseNorm(nn.Module):
    """Global response normalization (ConvNeXt V2, arXiv 2301.00808) over all positions of a row."""

    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, width))
        self.beta = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """Normalize x of shape (B, T, width); ``counts`` as in :class:`TextEmbedding`."""
        response = torch.linalg.vector_norm(x if counts is None else x * counts.sqrt(), dim=1, keepdim=True)
        response = response / (response.mean(dim=-1, keepdim=True) + EPS)
        return torch.addcmul(self.beta + x, self.gamma, x * response)


class ConvNeXtBlock(nn.Module):
    """ConvNeXt-V2 block over the text."""

    def __init__(self, width: int):
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, TEXT_CONV_TAPS, padding=TEXT_CONV_TAPS // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.pwconv1 = nn.Linear(width, 2 * width)
        self.grn = ResponseNorm(2 * width)
        self.pwconv2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """Apply the block to x of shape (B, T, width); ``counts`` as in :class:`TextEmbedding`."""
        h = self.norm(self.dwconv(x.mT).mT)
        output: Tensor = x + self.pwconv2(self.grn(F.gelu(self.pwconv1(h)), counts))
        return output


class TextEmbedding(nn.Module):
    """Text embedding, extended to the length of the audio; computed once per sample, in float32."""

    def __init__(self, architecture: Architecture, vocab_size: int, max_positions: int):
        super().__init__()
        width = architecture.text_width
        self.text_embed = nn.Embedding(vocab_size + 1, width, _weight=torch.empty(vocab_size + 1, width))
        if not self.text_embed.weight.is_meta:  # there, normal_ would import torch's compiler, which takes seconds
            nn.init.normal_(self.text_embed.weight)
        self.text_blocks = nn.ModuleList(ConvNeXtBlock(width) for _ in range(architecture.conv_layers))
        self.mask_padding = architecture.text_mask_padding
        self.max_positions = max_positions

    def forward(self, symbols: Tensor, without_text: Tensor, counts: Tensor | None = None) -> Tensor:
        """Embed texts.

        :param symbols: ids + 1, shape (B, T); 0 is the filler after a text.
        :param without_text: shape (B,): unconditional rows, all of whose symbols become filler.
        :param counts: number of equal positions that each position represents, shape (T, 1); None means one.
        :returns: shape (B, T, width).
        """
        x: Tensor = self.text_embed(symbols.masked_fill(without_text[:, None], 0))
        if not self.text_blocks:
            return x
        filler = (symbols == 0)[..., None]
        positions = torch.arange(symbols.shape[1], device=symbols.device).clamp(max=self.max_positions - 1)
        angles = torch.outer(positions.float(), rotary_frequencies(x.shape[-1], x.device))
        x = self._mask(x + torch.cat((angles.cos(), angles.sin()), dim=-1), filler)
        for block in self.text_blocks:
            x = self._mask(block(x, counts), filler)
        return x

    def _mask(self, x: Tensor, filler: Tensor) -> Tensor:
        return x.masked_fill(filler, 0.0) if self.mask_padding else x


def upsample_text(x: Tensor, symbols: int) -> Tensor:
    """Repeat the first ``symbols`` vectors of x, (B, T, width), to fill T frames; the last ones get the remainder."""
    frames = x.shape[1]
    each, remainder = divmod(frames, symbols)
    repeats = torch.full((symbols,), each, device=x.device)
    repeats[symbols - remainder :] += 1
    return x[:, :symbols].repeat_interleave(repeats, dim=1, output_size=frames)


class ConvPositionEmbedding(nn.Module):
    """Convolutional position embedding: two grouped convolutions over each row."""

    def __init__(self, dim: int):
        super().__init__()
        first, second = (nn.Conv1d(dim, dim, CONV_TAPS, padding=CONV_TAPS // 2, groups=CONV_GROUPS) for _ in range(2))
        self.conv1d = nn.Sequential(first, nn.Mish(), second, nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        """Compute the embedding of x of shape (B, T, D)."""
        h: Tensor = self.conv1d(x.mT)
        return h.mT


class InputEmbedding(nn.Module):
    """Projection of noisy mel, reference and text, in parts, because only the first changes between timesteps."""

    noisy: Tensor | None = None

    def __init__(self, dim: int, text_width: int):
        super().__init__()
        self.proj = nn.Linear(2 * MELS + text_width, dim)
        self.conv_pos_embed = ConvPositionEmbedding(dim)

    def pack(self) -> None:
        """Keep the weight of noisy mels in one piece."""
        self.noisy = self.proj.weight[:, :MELS].contiguous()

    def project_noisy(self, frames: Tensor) -> Tensor:
        """Project noisy mels of shape (…, M)."""
        return F.linear(frames, self.proj.weight[:, :MELS] if self.noisy is None else self.noisy)

    def condition(self, text: Tensor, reference: Tensor) -> Tensor:
        """Project embedded texts, shape (B, T, width), and the references at the start of the first rows.

        :returns: shape (B, T, D).
        """
        x = F.linear(text, self.proj.weight[:, 2 * MELS :], self.proj.bias)
        x[: len(reference), : reference.shape[1]] += F.linear(reference, self.proj.weight[:, MELS : 2 * MELS])
        return x


def rotary_frequencies(width: int, device: torch.device) -> Tensor:
    """Radians per position of each pair of channels, shape (width / 2,)."""
    channels = torch.arange(0, width, 2, device=device)[: width // 2].float()
    return ROTARY_BASE ** -(channels / width)


class Attention(nn.Module):
    """Self-attention within each row, with rotary positions on all heads or on the first few.

    RoPE rotates pairs of adjacent channels. Queries and keys are computed with the even channels first, so that each
    pair is split over two contiguous halves; scores stay the same because both are reordered alike.

    :ivar attend: computes softmax attention, with the signature of :func:`backends.f5.linear.attention`.
    """

    def __init__(self, architecture: Architecture):
        super().__init__()
        dim, inner = architecture.dim, architecture.heads * architecture.dim_head
        self.heads, self.head_width = architecture.heads, architecture.dim_head
        self.rotary_heads = architecture.pe_attn_head or architecture.heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, inner) for _ in range(3))
        self.has_norms = architecture.qk_norm is not None
        if self.has_norms:
            self.q_norm, self.k_norm = nn.RMSNorm(self.head_width, EPS), nn.RMSNorm(self.head_width, EPS)
        self.to_out = nn.ModuleList([PackedLinear(inner, dim)])
        self.qkv: PackedLinear | None = None
        self.attend: Callable[[Tensor, Tensor, Tensor], Tensor] = attention

    def pack(self) -> None:
        """Replace the projections by one packed layer."""
        self.qkv = PackedLinear.from_weights(*self._joint_projection())
        del self.to_q, self.to_k, self.to_v

    def forward(self, x: Tensor, packing: PackedBatch, cos: Tensor, sin: Tensor) -> Tensor:
        """Attend over x of shape (T, D), T tokens of all rows, or (B, T, D).

        :param cos: rotary cosines of each token, shape (T, 1, 1, Dh / 2); ``sin`` likewise.
        """
        packed = F.linear(x, *self._joint_projection()) if self.qkv is None else self.qkv(x)
        packed = packed.view(-1, 3, self.heads, self.head_width)
        query_key, values = packed[:, :2], packed[:, 2]
        if self.has_norms:
            weights = (self._even_first(norm.weight, 1) for norm in (self.q_norm, self.k_norm))
            normed = zip(query_key.unbind(1), weights, strict=True)
            query_key = torch.stack([F.rms_norm(part, weight.shape, weight, EPS) for part, weight in normed], 1)
        query_key = _rotate(query_key, self.rotary_heads, cos.to(packed.dtype), sin.to(packed.dtype))
        parts = []
        for run in packing.row_runs:
            query, key = query_key[run.tokens].view(run.rows, -1, 2, *values.shape[1:]).permute(2, 0, 3, 1, 4)
            value = values[run.tokens].view(run.rows, -1, *values.shape[1:]).transpose(1, 2)  # (B, H, T, Dh)
            parts.append(self.attend(query, key, value).transpose(1, 2).reshape(-1, self.heads * self.head_width))
        out: Tensor = self.to_out[0](join(parts))
        return out.view(x.shape)

    __call__ = forward  # without hooks: calls are frequent

    def _joint_projection(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of queries, keys and values together."""
        projections = (self.to_q, self.to_k, self.to_v)
        weights, biases = ([getattr(part, name) for part in projections] for name in ("weight", "bias"))
        for tensors in (weights, biases):
            tensors[:2] = [self._even_first(tensor, self.heads) for tensor in tensors[:2]]
        return torch.cat(weights), torch.cat(biases)

    @staticmethod
    def _even_first(tensor: Tensor, heads: int) -> Tensor:
        """Reorder the channels of each head along the first dimension."""
        return tensor.view(heads, -1, 2, *tensor.shape[1:]).transpose(1, 2).flatten(0, 2)


def _rotate(query_key: Tensor, heads: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply RoPE to the first heads of queries and keys, shape (T, 2, H, Dh); in place in inference mode."""
    half = query_key.shape[-1] // 2
    real, imaginary = query_key[:, :, :heads, :half], query_key[:, :, :heads, half:]
    rotated = torch.addcmul(real * cos, imaginary, sin, value=-1)
    if not torch.is_inference_mode_enabled():
        rotated = torch.cat((rotated, torch.addcmul(imaginary * cos, real, sin)), -1)
        return rotated if heads == query_key.shape[2] else torch.cat((rotated, query_key[:, :, heads:]), 2)
    imaginary.mul_(cos).addcmul_(real, sin)
    real.copy_(rotated)
    return query_key


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, mult: float):
        super().__init__()
        inner = int(dim * mult)
        up = PackedLinear(dim, inner, gelu=True)
        self.ff = nn.Sequential(nn.Sequential(up), nn.Identity(), PackedLinear(inner, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to x of shape (…, D)."""
        output: Tensor = self.ff(x)
        return output

    __call__ = forward  # without hooks: calls are frequent


class Modulation(nn.Module):
    """Adaptive constants from the timestep (adaLN): shifts, scales and gates.

    :param scales: which of the constants are scales; they are stored as their difference from 1.
    """

    def __init__(self, dim: int, constants: int, scales: Sequence[int]):
        super().__init__()
        self.linear = nn.Linear(dim, constants * dim)
        self.shape, self.scales = (constants, dim), list(scales)

    def forward(self, embedded: Tensor) -> Tensor:
        """Compute the constants of embedded times, shape (nfe, D); return (nfe, constants, D), float32."""
        constants = torch.unflatten(self.linear(embedded).float(), -1, self.shape)
        constants[:, self.scales] += 1
        return constants


def adaptive_norm(x: Tensor, modulated: Modulated, shift: int, scale: int, dtype: torch.dtype) -> Tensor:
    """Layer-normalize tokens (…, D), each range with its own shift and scale, given by index."""
    return join([_layer_norm(x[tokens], values[shift], values[scale]).to(dtype) for tokens, values in modulated])


def _layer_norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    width = x.shape[-1:]
    if scale.shape == width:
        return F.layer_norm(x, width, scale, shift, EPS)
    return torch.addcmul(shift, F.layer_norm(x, width, eps=EPS), scale)


def add_gated(x: Tensor, h: Tensor, modulated: Modulated, gate: int) -> Tensor:
    """Add h to tokens (…, D), each range with its own gate, given by index; in place in inference mode."""
    if not torch.is_inference_mode_enabled():
        return join([torch.addcmul(x[tokens], values[gate], h[tokens]) for tokens, values in modulated])
    for tokens, values in modulated:
        x[tokens].addcmul_(values[gate], h[tokens])
    return x


def join(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate ranges of tokens; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
