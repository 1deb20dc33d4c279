"""DiT for training: the network of f5-tts 1.1.22 (``f5_tts.model.DiT``) under its names, for rows of equal length.

With ``text_embedding_average_upsampling`` and ``text_mask_padding``, without dropout, mask and query norm. Unlike
the official classes, each row drops its conditions independently, the text encoder skips the filler after the text,
attention on a CPU keeps its probabilities, and some layers return values for auxiliary losses.

T is in mel frames; L is the number of symbols of the longest text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.config import MELS, Architecture
from backends.f5.layers import CONV_GROUPS, CONV_TAPS, EPS, ROTARY_BASE, TEXT_CONV_TAPS, TIME_FREQUENCIES
from recipes.common.attention import attention
from recipes.f5_mini.spelling import SYMBOLS

ARCHITECTURE = Architecture(
    dim=256,
    depth=12,
    heads=4,
    ff_mult=2,
    text_dim=192,
    text_mask_padding=True,
    text_embedding_average_upsampling=True,
    conv_layers=4,
)
GUIDED_LAYERS = (2, 4)  # layers whose first head is trained to attend to the frames of the spoken letter
PHONE_LAYER = 5  # the layer whose output must predict the spoken phone
GUIDE_STRIDE = 2  # the guide loss uses every second frame
FILLER_REACH = TEXT_CONV_TAPS // 2  # positions after the text that one block lets it influence


@dataclass
class AuxiliaryOutputs:
    """Auxiliary outputs: scores (B, T / GUIDE_STRIDE, T) of the guided heads, features (B, T, D) of the phone layer."""

    scores: list[Tensor] = field(default_factory=list)
    features: Tensor | None = None


class ResponseNorm(nn.Module):
    """Global response normalization (ConvNeXt V2, arXiv 2301.00808) over positions with counts."""

    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, width))
        self.beta = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """Normalize (B, L, D).

        :param counts: number of equal positions that each position represents, (L, 1).
        """
        response = (x.float().square() * counts).sum(1, keepdim=True).add(1e-12).sqrt()
        response = response / (response.mean(-1, keepdim=True) + EPS)
        output: Tensor = self.gamma * (x * response) + self.beta + x
        return output


class TextBlock(nn.Module):
    """A ConvNeXt-V2 block over the text."""

    def __init__(self, width: int):
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, TEXT_CONV_TAPS, padding=TEXT_CONV_TAPS // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.pwconv1 = nn.Linear(width, 2 * width)
        self.grn = ResponseNorm(2 * width)
        self.pwconv2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """Map (B, L, D) to the same shape."""
        h = self.norm(self.dwconv(x.mT).mT)
        output: Tensor = x + self.pwconv2(self.grn(F.gelu(self.pwconv1(h)), counts))
        return output


class TextEmbedding(nn.Module):
    """Text encoder: one vector per symbol."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        width = architecture.text_width
        self.text_embed = nn.Embedding(len(SYMBOLS) + 1, width)
        self.text_blocks = nn.ModuleList(TextBlock(width) for _ in range(architecture.conv_layers))
        inverse = ROTARY_BASE ** -(torch.arange(0, width, 2).float() / width)
        self.register_buffer("inverse", inverse, persistent=False)
        self.inverse: Tensor

    def forward(self, symbols: Tensor, frames: int, dropped: Tensor) -> Tensor:
        """Encode texts as if padded with filler to ``frames``, which affects the response norm.

        All filler that the text does not influence is equal, so one position represents it.

        :param symbols: ids + 1, 0 for the filler, (B, L).
        :param dropped: rows without a text, (B,): all their symbols become filler.
        :returns: (B, L, D), D being the text width; zero at the filler.
        """
        longest = symbols.shape[1]
        positions = min(frames, longest + FILLER_REACH + 1)
        symbols = F.pad(symbols, (0, positions - longest))
        counts = torch.ones(positions, 1, device=symbols.device)
        counts[-1] += frames - positions
        known = (symbols != 0)[..., None]
        place = torch.arange(positions, device=symbols.device).float()
        angles = torch.outer(place, self.inverse)
        x = self.text_embed(symbols.masked_fill(dropped[:, None], 0)) + torch.cat((angles.cos(), angles.sin()), -1)
        x = x * known
        for block in self.text_blocks:
            x = block(x, counts) * known
        encoded: Tensor = x[:, :longest]
        return encoded


class Block(nn.Module):
    """Attention and feed-forward with adaptive layer norm (scale, shift, gate) from the time."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        dim, inner = architecture.dim, architecture.heads * architecture.dim_head
        hidden = int(dim * architecture.ff_mult)
        self.heads = architecture.heads
        rotary_order = torch.arange(inner).view(self.heads, -1, 2).mT.flatten()
        self.register_buffer("rotary_order", rotary_order, persistent=False)
        self.rotary_order: Tensor
        self.attn_norm = nn.ModuleDict({"linear": nn.Linear(dim, 6 * dim)})
        self.attn = nn.ModuleDict({f"to_{part}": nn.Linear(dim, inner) for part in "qkv"})
        self.attn["to_out"] = nn.ModuleList([nn.Linear(inner, dim)])
        rise = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"))
        self.ff = nn.ModuleDict({"ff": nn.Sequential(rise, nn.Identity(), nn.Linear(hidden, dim))})

    def forward(self, x: Tensor, time: Tensor, rotary: Tensor, with_scores: bool) -> tuple[Tensor, Tensor | None]:
        """Map (B, T, D) to the same shape.

        :returns: also the first head's scores (B, T / GUIDE_STRIDE, T), if requested.

        :param time: timestep embedding after SiLU, (B, D).
        :param rotary: cosines and sines, (2, T, Dh / 2).
        """
        shift, scale, gate, shift2, scale2, gate2 = in_float32(self.attn_norm["linear"], time)[:, None].chunk(6, -1)
        width = x.shape[-1:]
        h = torch.addcmul(shift, F.layer_norm(x, width, eps=EPS), 1 + scale)
        query, key, value = self._projected(h)
        query, key = rotate(query, rotary), rotate(key, rotary)
        scores = None
        if with_scores:
            scores = (query[:, 0, ::GUIDE_STRIDE] * query.shape[-1] ** -0.5) @ key[:, 0].mT
        mixed = self.attn["to_out"][0](attention(query, key, value).transpose(1, 2).flatten(2))  # type: ignore[index]
        x = torch.addcmul(x, gate, mixed)
        h = torch.addcmul(shift2, F.layer_norm(x, width, eps=EPS), 1 + scale2)
        return torch.addcmul(x, gate2, self.ff["ff"](h)), scores

    def _projected(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project to queries, keys and values, (B, H, T, Dh).

        Rotation pairs adjacent channels. Queries and keys have the even channels first, so that pairs are in two
        contiguous halves; their products do not change.
        """
        parts = [self.attn[f"to_{part}"] for part in "qkv"]
        weights, biases = ([getattr(part, name) for part in parts] for name in ("weight", "bias"))
        for values in (weights, biases):
            values[:2] = [value.index_select(0, self.rotary_order) for value in values[:2]]
        output = torch.unflatten(F.linear(h, torch.cat(weights), torch.cat(biases)), -1, (3, self.heads, -1))
        query, key, value = output.permute(2, 0, 3, 1, 4)
        return query, key, value


def in_float32(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer in float32: bfloat16 cannot distinguish times close to 0."""
    with torch.autocast(x.device.type, enabled=False):
        output: Tensor = layer(x)
    return output


def rotate(x: Tensor, rotary: Tensor) -> Tensor:
    """Rotate (B, H, T, Dh) by (2, T, Dh / 2), pairing each channel with that half of the width apart."""
    cos, sin = rotary.to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class DiT(nn.Module):
    """Diffusion transformer: predicts the flow's velocity from noisy mels, known mels and text."""

    def __init__(self, architecture: Architecture = ARCHITECTURE):
        super().__init__()
        dim = architecture.dim
        self.architecture = architecture
        half = TIME_FREQUENCIES // 2
        self.time_embed = nn.ModuleDict(
            {"time_mlp": nn.Sequential(nn.Linear(TIME_FREQUENCIES, dim), nn.SiLU(), nn.Linear(dim, dim))}
        )
        self.text_embed = TextEmbedding(architecture)
        conv = [nn.Conv1d(dim, dim, CONV_TAPS, padding=CONV_TAPS // 2, groups=CONV_GROUPS) for _ in range(2)]
        self.input_embed = nn.ModuleDict(
            {
                "proj": nn.Linear(2 * MELS + architecture.text_width, dim),
                "conv_pos_embed": nn.ModuleDict({"conv1d": nn.Sequential(conv[0], nn.Mish(), conv[1], nn.Mish())}),
            }
        )
        self.transformer_blocks = nn.ModuleList(Block(architecture) for _ in range(architecture.depth))
        self.norm_out = nn.ModuleDict({"linear": nn.Linear(dim, 2 * dim)})
        self.proj_out = nn.Linear(dim, MELS)
        steps = torch.arange(half).float()
        self.register_buffer("frequencies", torch.exp(steps * -(math.log(10000) / (half - 1))), persistent=False)
        head = architecture.dim_head
        self.register_buffer("inv_freq", ROTARY_BASE ** -(torch.arange(0, head, 2).float() / head), persistent=False)
        self.frequencies: Tensor
        self.inv_freq: Tensor
        for name, value in self.named_parameters():  # each layer starts as the identity, as in DiT (arXiv 2212.09748)
            if name.startswith(("norm_out.", "proj_out.")) or ".attn_norm." in name:
                nn.init.zeros_(value)

    def matrices(self) -> set[str]:
        """Names of the weights that mix channels: those of attention, feed-forward and the text's blocks."""
        ends = tuple(f".{name}.weight" for name in ("to_q", "to_k", "to_v", "to_out.0", "ff.0.0", "ff.2"))
        ends += (".pwconv1.weight", ".pwconv2.weight")
        return {name for name, _ in self.named_parameters() if name.endswith(ends)}

    def forward(
        self,
        noisy: Tensor,
        known: Tensor,
        symbols: Tensor,
        frame_symbols: Tensor,
        time: Tensor,
        dropped: Tensor,
        auxiliary: AuxiliaryOutputs | None = None,
    ) -> Tensor:
        """Predict the velocity, float32 (B, T, M).

        :param noisy: mels mixed with noise, (B, T, M).
        :param known: mels where they are given, 0 elsewhere, (B, T, M).
        :param symbols: ids + 1, 0 for the filler, (B, L).
        :param frame_symbols: index of the symbol assigned to each frame, (B, T); see ``sequences.upsample_indices``.
        :param time: 0 for noise, 1 for speech, (B,).
        :param dropped: rows without a text, (B,).
        :param auxiliary: filled if given.
        """
        angles = 1000 * time[:, None] * self.frequencies
        embedded = F.silu(in_float32(self.time_embed["time_mlp"], torch.cat((angles.sin(), angles.cos()), -1)))
        text = self.text_embed(symbols, noisy.shape[1], dropped)
        text = text.gather(1, frame_symbols[..., None].expand(-1, -1, text.shape[-1]))
        x = self.input_embed["proj"](torch.cat((noisy, known, text.to(noisy.dtype)), -1))
        x = (self.input_embed["conv_pos_embed"]["conv1d"](x.mT).mT + x).float()  # type: ignore[index]
        angles = torch.outer(torch.arange(x.shape[1], device=x.device).float(), self.inv_freq)
        rotary = torch.stack((angles.cos(), angles.sin()))
        for index, block in enumerate(self.transformer_blocks):
            x, scores = block(x, embedded, rotary, auxiliary is not None and index in GUIDED_LAYERS)
            if auxiliary is not None and scores is not None:
                auxiliary.scores.append(scores)
            if auxiliary is not None and index == PHONE_LAYER:
                auxiliary.features = x
        scale, shift = in_float32(self.norm_out["linear"], embedded)[:, None].chunk(2, -1)
        return in_float32(self.proj_out, torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale))
