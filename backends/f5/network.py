"""DiT (F5-TTS) and UNetT (E2-TTS) over a packed batch.

Letters: F frames of all samples, T tokens of all rows, n frames of one sample, R rows of one sample (conditional, then
unconditional), M mel channels, D width, S times. See ``layout`` for how tokens lie.

A forward pass is ``network(frames, plan, moments)``. What does not change while a sample is in the batch comes in
through ``condition`` (once per sample) and ``plan`` (once per change of the batch); what depends on the time alone
through ``schedule`` (once per schedule). The residual stream is float32, products are in the network's precision.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.f5.layout import Layout, Shape
from backends.f5.model import MELS, Architecture
from backends.f5.modules import (
    EPS,
    Attention,
    ConvPosition,
    FeedForward,
    Linear,
    Rotary,
    TextEmbedding,
    TimeEmbedding,
)
from backends.f5.products import Product

DIT_TEXT_POSITIONS = 8192
UNETT_TEXT_POSITIONS = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch as long as nobody joins or leaves it.

    :param base: what reference and text add to each frame token, (T without leads, D).
    :param cos: rotary cosines of each token, and ``sin`` their sines.
    """

    layout: Layout
    base: Tensor
    cos: Tensor
    sin: Tensor


@dataclass(frozen=True, slots=True)
class Moments:
    """What a network makes of a schedule's times: for each of its layers, something indexed by the step."""

    layers: tuple[Tensor, ...]


Moment = tuple[Moments, int]
"""A schedule and how many of its steps are done."""


class Network(ABC):
    """What the two networks have in common: everything but the transformer's layers.

    :param symbols: size of the vocabulary.
    """

    lead: int = 0
    text_positions: int

    def __init__(self, weights: Weights, architecture: Architecture, symbols: int):
        dim = architecture.dim
        self.device, self.dtype, self.dim = weights.device, weights.dtype, dim
        weights.drop("rotary_embed.inv_freq")  # a constant
        self.times = TimeEmbedding(weights, dim)
        self.text = TextEmbedding(weights, architecture, symbols, self.text_positions)
        mixed = Linear(weights, "input_embed.proj", 2 * MELS + self.text.width, dim, torch.float32)
        noisy, known, text = torch.split(mixed.weight, [MELS, MELS, self.text.width], dim=1)
        self.noisy, self.known, self.spoken, self.mixed_bias = noisy.contiguous(), known, text, mixed.bias
        self.conv_position = ConvPosition(weights, dim)
        self.rotary = Rotary(architecture.dim_head, weights.device, weights.dtype)
        self.out = Linear(weights, "proj_out", dim, MELS, torch.float32)

    def condition(self, reference: Tensor, symbols: Tensor, frames: int, *, guided: bool) -> Tensor:
        """Mix reference and text, which stay the same at every time.

        :param reference: its mel, shape (at most n, M); the rest is to be made.
        :param symbols: text ids, shape (L,).
        :param guided: make the unconditional row too, which knows neither.
        :returns: (R · n, D), float32.
        """
        base = F.linear(self.text(symbols, frames, guided=guided), self.spoken, self.mixed_bias)  # (R, n, D)
        base[0, : len(reference)] += F.linear(reference, self.known)
        return base.flatten(0, 1)

    def plan(self, shapes: Sequence[Shape], bases: Sequence[Tensor]) -> Plan:
        """Lay out a batch."""
        layout = Layout(shapes, self.lead, self.device)
        return Plan(layout, torch.cat(list(bases)) if len(bases) > 1 else bases[0], *self.rotary(layout))

    @abstractmethod
    def schedule(self, times: Tensor) -> Moments:
        """Work out what depends on the times alone.

        :param times: shape (S,), float32.
        """

    def __call__(self, frames: Tensor, plan: Plan, moments: Sequence[Moment]) -> Tensor:
        """Velocity of the flow.

        :param frames: the noisy mels of all samples, shape (F, M), float32.
        :param moments: where each sample is in its schedule.
        :returns: (T without leads, M), float32.
        """
        x = F.linear(frames, self.noisy)
        x = plan.base + (x if plan.layout.is_single else x[plan.layout.frame_of_token])
        h = x.to(self.dtype)
        for run in plan.layout.row_runs:
            rows = h[run.frame_tokens].view(run.rows, -1, self.dim)
            x[run.frame_tokens] += self.conv_position(rows).flatten(0, 1)
        return self.out(self._layers(x, plan, moments))

    @abstractmethod
    def _layers(self, x: Tensor, plan: Plan, moments: Sequence[Moment]) -> Tensor:
        """The transformer: from frame tokens (T without leads, D) to the same, normalised, float32."""


class DiT(Network):
    """F5-TTS. The time scales, shifts and gates every layer: constants of a schedule, computed once."""

    text_positions = DIT_TEXT_POSITIONS

    def __init__(self, weights: Weights, architecture: Architecture, symbols: int):
        super().__init__(weights, architecture, symbols)
        dim = architecture.dim
        names = [f"transformer_blocks.{index}" for index in range(architecture.depth)]
        self.modulate = [Linear(weights, f"{name}.attn_norm.linear", dim, 6 * dim) for name in names]
        self.attention = [Attention(weights, f"{name}.attn", architecture) for name in names]
        self.feed = [FeedForward(weights, f"{name}.ff", dim, architecture.ff_mult) for name in names]
        self.modulate_out = Linear(weights, "norm_out.linear", dim, 2 * dim)
        self.skip: Product | None = None
        if architecture.long_skip_connection:
            self.skip = Product(weights.take("long_skip_connection.weight", dim, 2 * dim))

    def schedule(self, times: Tensor) -> Moments:
        """For each layer shift, scale and gate of attention, then of feed-forward, (S, 6, D); at last (S, 2, D)."""
        embedded = F.silu(self.times(times)).to(self.dtype)
        layers = [linear(embedded).float().view(-1, 6, self.dim) for linear in self.modulate]
        for layer in layers:
            layer[:, [1, 4]] += 1
        last = self.modulate_out(embedded).float().view(-1, 2, self.dim)  # scale, shift
        last[:, 0] += 1
        return Moments((*layers, last))

    def _layers(self, x: Tensor, plan: Plan, moments: Sequence[Moment]) -> Tensor:
        layout = plan.layout
        runs = [(run.tokens, *moments[run.first]) for run in layout.time_runs]
        entry = x if self.skip is None else x.clone()
        for index, (attention, feed) in enumerate(zip(self.attention, self.feed, strict=True)):
            stretches = [(tokens, made.layers[index][step]) for tokens, made, step in runs]
            h = self._norm(x, [(tokens, m[1], m[0]) for tokens, m in stretches], self.dtype)
            h = attention(h, layout, plan.cos, plan.sin)
            for tokens, m in stretches:
                x[tokens].addcmul_(m[2], h[tokens])
            h = feed(self._norm(x, [(tokens, m[4], m[3]) for tokens, m in stretches], self.dtype))
            for tokens, m in stretches:
                x[tokens].addcmul_(m[5], h[tokens])
        if self.skip is not None:
            x = self.skip(torch.cat((x, entry), dim=-1).to(self.dtype)).float()
        ends = [(tokens, made.layers[-1][step][0], made.layers[-1][step][1]) for tokens, made, step in runs]
        return self._norm(x, ends, torch.float32)

    def _norm(self, x: Tensor, stretches: Sequence[tuple[slice, Tensor, Tensor]], dtype: torch.dtype) -> Tensor:
        """Normalise each stretch of tokens (T, D) with its own scale and shift."""
        if len(stretches) == 1:
            return F.layer_norm(x, (self.dim,), *stretches[0][1:], EPS).to(dtype)
        out = torch.empty_like(x, dtype=dtype)
        for tokens, scale, shift in stretches:
            out[tokens] = F.layer_norm(x[tokens], (self.dim,), scale, shift, EPS)
        return out


class UNetT(Network):
    """E2-TTS. The time is one more token in front of each row; the first half of the layers feeds the second."""

    lead = 1
    text_positions = UNETT_TEXT_POSITIONS

    def __init__(self, weights: Weights, architecture: Architecture, symbols: int):
        super().__init__(weights, architecture, symbols)
        dim, half = architecture.dim, architecture.depth // 2
        names = [f"layers.{index}" for index in range(architecture.depth)]
        self.connect = architecture.skip_connect_type
        self.attention_norm = [weights.take(f"{name}.1.g", dim, dtype=torch.float32) for name in names]
        self.attention = [Attention(weights, f"{name}.2", architecture) for name in names]
        self.feed_norm = [weights.take(f"{name}.3.g", dim, dtype=torch.float32) for name in names]
        self.feed = [FeedForward(weights, f"{name}.4", dim, architecture.ff_mult) for name in names]
        self.out_norm = weights.take("norm_out.g", dim, dtype=torch.float32)
        self.joins: list[Product] = []
        if self.connect == "concat":
            self.joins = [Product(weights.take(f"{name}.0.weight", dim, 2 * dim)) for name in names[half:]]

    def schedule(self, times: Tensor) -> Moments:
        """The time's token, (S, D)."""
        return Moments((self.times(times),))

    def _layers(self, x: Tensor, plan: Plan, moments: Sequence[Moment]) -> Tensor:
        layout = plan.layout
        tokens = x.new_empty(len(layout.positions), self.dim)
        at = zip(moments, layout.places, strict=True)
        leads = [made.layers[0][step].expand(place.rows, -1) for (made, step), place in at]
        tokens[layout.frame_tokens] = x
        tokens[layout.lead_tokens] = torch.cat(leads)
        x = tokens
        half = len(self.attention) // 2
        skips: list[Tensor] = []
        for index, (attention, feed) in enumerate(zip(self.attention, self.feed, strict=True)):
            if index < half:
                skips.append(x)
            elif self.connect == "concat":
                both = torch.cat((x, skips.pop()), dim=-1).to(self.dtype)
                x = self.joins[index - half](both).float()
            elif self.connect == "add":
                x = x + skips.pop()
            h = attention(self._norm(x, self.attention_norm[index]).to(self.dtype), layout, plan.cos, plan.sin)
            x = x + h
            x = x + feed(self._norm(x, self.feed_norm[index]).to(self.dtype))
        return self._norm(x, self.out_norm)[layout.frame_tokens]

    def _norm(self, x: Tensor, gain: Tensor) -> Tensor:
        """Scale each token (T, D) to length √D, times the gains."""
        return F.normalize(x, dim=-1) * (gain * math.sqrt(self.dim))
