"""DiT for training: the network of f5-tts 1.1.22 (``f5_tts.model.DiT``) under its names, for rows of equal length.

With ``text_embedding_average_upsampling`` and ``text_mask_padding``, without dropout, mask and query norm. What differs
from the official classes is how it is computed: rows drop their conditions one by one, the text encoder leaves out the
filler behind the text, attention on a CPU keeps its probabilities, and some layers tell what helper losses want.

Letters: B rows, N frames, L symbols of the longest text, M mel channels, D width, C width of the text, H heads, d width
of a head, Q frames that are asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.config import MELS, Architecture
from backends.f5.layers import CONV_GROUPS, CONV_TAPS, EPS, ROTARY_BASE, TEXT_CONV_TAPS, TIME_FREQUENCIES
from recipes.common.attention import attend
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
GUIDED = (2, 4)  # layers whose first head is shown which frames carry the letter that is spoken
TAPPED = 5  # the layer behind which it has to be known which phone is spoken
ASKED_EVERY = 2  # of the frames, every so many are asked where they look
FILLER_REACH = TEXT_CONV_TAPS // 2  # how far the text is heard behind its end, in one block


@dataclass
class Helpers:
    """Auxiliary outputs of a pass: scores (B, Q, N) of the guided heads, features (B, N, D) of the tapped block."""

    scores: list[Tensor] = field(default_factory=list)
    features: Tensor | None = None


class ResponseNorm(nn.Module):
    """Global response normalization (ConvNeXt V2, arXiv 2301.00808) over positions, some of which count many times."""

    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, width))
        self.beta = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """:param counts: how many positions each of (B, L, C) stands for, (L, 1)."""
        response = (x.float().square() * counts).sum(1, keepdim=True).add(1e-12).sqrt()
        response = response / (response.mean(-1, keepdim=True) + EPS)
        made: Tensor = self.gamma * (x * response) + self.beta + x
        return made


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
        """(B, L, C) to the same."""
        h = self.norm(self.dwconv(x.mT).mT)
        made: Tensor = x + self.pwconv2(self.grn(F.gelu(self.pwconv1(h)), counts))
        return made


class TextEmbedding(nn.Module):
    """Text encoder: a vector for each symbol."""

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

        Filler behind the reach of the text is the same everywhere: one position stands for all of it.

        :param symbols: ids + 1, 0 for the filler, (B, L).
        :param dropped: rows whose text is not to be known, (B,): all symbols are the filler then.
        :returns: (B, L, C), zero at the filler.
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
        halves = torch.arange(inner).view(self.heads, -1, 2).mT.flatten()
        self.register_buffer("halves", halves, persistent=False)
        self.halves: Tensor
        self.attn_norm = nn.ModuleDict({"linear": nn.Linear(dim, 6 * dim)})
        self.attn = nn.ModuleDict({f"to_{part}": nn.Linear(dim, inner) for part in "qkv"})
        self.attn["to_out"] = nn.ModuleList([nn.Linear(inner, dim)])
        rise = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"))
        self.ff = nn.ModuleDict({"ff": nn.Sequential(rise, nn.Identity(), nn.Linear(hidden, dim))})

    def forward(self, x: Tensor, time: Tensor, turns: Tensor, ask: bool) -> tuple[Tensor, Tensor | None]:
        """(B, N, D) to the same, and what the first head's asked frames look at, (B, Q, N).

        :param time: (B, D), through its SiLU.
        :param turns: cosines and sines, (2, N, d / 2).
        """
        shift, scale, gate, shift2, scale2, gate2 = precise(self.attn_norm["linear"], time)[:, None].chunk(6, -1)
        width = x.shape[-1:]
        h = torch.addcmul(shift, F.layer_norm(x, width, eps=EPS), 1 + scale)
        query, key, value = self._projected(h)
        query, key = turn(query, turns), turn(key, turns)
        scores = None
        if ask:
            scores = (query[:, 0, ::ASKED_EVERY] * query.shape[-1] ** -0.5) @ key[:, 0].mT
        mixed = self.attn["to_out"][0](attend(query, key, value).transpose(1, 2).flatten(2))  # type: ignore[index]
        x = torch.addcmul(x, gate, mixed)
        h = torch.addcmul(shift2, F.layer_norm(x, width, eps=EPS), 1 + scale2)
        return torch.addcmul(x, gate2, self.ff["ff"](h)), scores

    def _projected(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (B, H, N, d); the first two with even channels first.

        Rotation pairs neighbouring channels, which then lie in two contiguous halves; products do not change.
        """
        parts = [self.attn[f"to_{part}"] for part in "qkv"]
        weights, biases = ([getattr(part, name) for part in parts] for name in ("weight", "bias"))
        for values in (weights, biases):
            values[:2] = [value.index_select(0, self.halves) for value in values[:2]]
        made = torch.unflatten(F.linear(h, torch.cat(weights), torch.cat(biases)), -1, (3, self.heads, -1))
        query, key, value = made.permute(2, 0, 3, 1, 4)
        return query, key, value


def precise(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer in float32: times close to 0 differ in digits that bfloat16 does not have."""
    with torch.autocast(x.device.type, enabled=False):
        made: Tensor = layer(x)
    return made


def turn(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate pairs whose two channels are half of the width apart, (B, H, N, d) by (2, N, d / 2)."""
    cos, sin = turns.to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class DiT(nn.Module):
    """Noisy mels, known mels and letters in, the velocity of the flow out."""

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
        for name, value in self.named_parameters():  # a layer does nothing at first, as in DiT (arXiv 2212.09748)
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
        carried: Tensor,
        time: Tensor,
        dropped: Tensor,
        helpers: Helpers | None = None,
    ) -> Tensor:
        """Velocity (B, N, M), float32.

        :param noisy: mels on their way, (B, N, M).
        :param known: mels where they are given, 0 where not, (B, N, M).
        :param symbols: ids + 1, 0 for the filler, (B, L).
        :param carried: which symbol's vector each frame is given, (B, N); see ``sequences.spread``.
        :param time: 0 for noise, 1 for speech, (B,).
        :param dropped: rows whose text is not to be known, (B,).
        :param helpers: is filled.
        """
        angles = 1000 * time[:, None] * self.frequencies
        embedded = F.silu(precise(self.time_embed["time_mlp"], torch.cat((angles.sin(), angles.cos()), -1)))
        text = self.text_embed(symbols, noisy.shape[1], dropped)
        text = text.gather(1, carried[..., None].expand(-1, -1, text.shape[-1]))
        x = self.input_embed["proj"](torch.cat((noisy, known, text.to(noisy.dtype)), -1))
        x = (self.input_embed["conv_pos_embed"]["conv1d"](x.mT).mT + x).float()  # type: ignore[index]
        angles = torch.outer(torch.arange(x.shape[1], device=x.device).float(), self.inv_freq)
        turns = torch.stack((angles.cos(), angles.sin()))
        for index, block in enumerate(self.transformer_blocks):
            x, scores = block(x, embedded, turns, helpers is not None and index in GUIDED)
            if helpers is not None and scores is not None:
                helpers.scores.append(scores)
            if helpers is not None and index == TAPPED:
                helpers.features = x
        scale, shift = precise(self.norm_out["linear"], embedded)[:, None].chunk(2, -1)
        return precise(self.proj_out, torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale))
