"""DiT (F5-TTS) and UNetT (E2-TTS): velocity models over a packed batch.

A forward pass is ``model(frames, batch, timesteps)``. Everything that stays constant is computed ahead: once per sample
(``condition``), once per change of the batch (``prepare``), once per schedule (``condition_times``). The residual
stream is float32; matrix products use the model's dtype. Packed tensors are laid out as in :mod:`backends.f5.packing`.
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
from backends.f5.config import MELS, Architecture
from backends.f5.layers import (
    EPS,
    Attention,
    ConvPositionEmbedding,
    FeedForward,
    Linear,
    RotaryEmbedding,
    TextEmbedding,
    TimestepEmbedding,
)
from backends.f5.linear import PackedLinear
from backends.f5.packing import PackedBatch, SampleShape

DIT_TEXT_POSITIONS = 8192
UNETT_TEXT_POSITIONS = 4096


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """Constants of a batch until a sample joins or leaves it.

    :param conditioning: what reference and text add to each frame token, shape (T, D), prefix tokens not counted.
    :param cos: rotary cosines of each token; ``sin`` likewise.
    """

    packing: PackedBatch
    conditioning: Tensor
    cos: Tensor
    sin: Tensor


@dataclass(frozen=True, slots=True)
class TimestepConditioning:
    """Time-dependent constants of a schedule (DiT: adaLN modulation).

    :param layers: one tensor per layer, indexed by step.
    """

    layers: tuple[Tensor, ...]


Timestep = tuple[TimestepConditioning, int]
"""A schedule's conditioning and the index of the current step."""


class FlowModel(ABC):
    """The shared parts of both models: input embeddings and output projection.

    :param vocab_size: number of symbols in the vocabulary.
    """

    prefix: int = 0
    """Tokens before the frames of each row."""
    text_positions: int

    def __init__(self, weights: Weights, architecture: Architecture, vocab_size: int):
        dim = architecture.dim
        self.device, self.dtype, self.dim = weights.device, weights.dtype, dim
        weights.drop("rotary_embed.inv_freq")  # a constant
        self.time_embedding = TimestepEmbedding(weights, dim)
        self.text_embedding = TextEmbedding(weights, architecture, vocab_size, self.text_positions)
        text_width = self.text_embedding.width
        proj = Linear(weights, "input_embed.proj", 2 * MELS + text_width, dim, torch.float32)
        noisy, reference, text = torch.split(proj.weight, [MELS, MELS, text_width], dim=1)
        self.proj_noisy, self.proj_reference, self.proj_text = noisy.contiguous(), reference, text
        self.proj_bias = proj.bias
        self.conv_position = ConvPositionEmbedding(weights, dim)
        self.rotary = RotaryEmbedding(architecture.dim_head, weights.device, weights.dtype)
        self.out = Linear(weights, "proj_out", dim, MELS, torch.float32)

    def condition(self, reference_mel: Tensor, text_ids: Tensor, frames: int, *, guided: bool) -> Tensor:
        """Embed a sample's reference and text, which are the same at every timestep.

        :param reference_mel: shape (T, M), T at most ``frames``.
        :param text_ids: shape (T,), T symbols.
        :param guided: add the unconditional row, which has neither.
        :returns: shape (rows · frames, D), float32.
        """
        text = self.text_embedding(text_ids, frames, guided=guided)
        x = F.linear(text, self.proj_text, self.proj_bias)  # (B, T, D)
        x[0, : len(reference_mel)] += F.linear(reference_mel, self.proj_reference)
        return x.flatten(0, 1)

    def prepare(self, shapes: Sequence[SampleShape], conditioning: Sequence[Tensor]) -> PreparedBatch:
        """Pack samples into a batch.

        :param conditioning: result of :meth:`condition` for each sample.
        """
        packing = PackedBatch(shapes, self.prefix, self.device)
        packed = torch.cat(list(conditioning)) if len(conditioning) > 1 else conditioning[0]
        return PreparedBatch(packing, packed, *self.rotary(packing))

    @abstractmethod
    def condition_times(self, times: Tensor) -> TimestepConditioning:
        """Compute the time-dependent constants of a schedule.

        :param times: shape (nfe,), float32.
        """

    def __call__(self, frames: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        """Evaluate the velocity of the flow.

        :param frames: noisy mels of all samples, shape (T, M), T frames, float32.
        :param timesteps: one for each sample.
        :returns: shape (T, M), T tokens without prefix tokens, float32.
        """
        packing = batch.packing
        x = F.linear(frames, self.proj_noisy)
        x = batch.conditioning + (x if packing.is_single_row else x[packing.frame_of_token])
        h = x.to(self.dtype)
        for run in packing.row_runs:
            rows = h[run.frame_tokens].view(run.rows, -1, self.dim)
            x[run.frame_tokens] += self.conv_position(rows).flatten(0, 1)
        return self.out(self._transform(x, batch, timesteps))

    @abstractmethod
    def _transform(self, x: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        """Apply the transformer to frame tokens, shape (T, D); the result is normalized and float32."""


class DiT(FlowModel):
    """F5-TTS. Adaptive layer norm (adaLN): the timestep shifts, scales and gates every layer."""

    text_positions = DIT_TEXT_POSITIONS

    def __init__(self, weights: Weights, architecture: Architecture, vocab_size: int):
        super().__init__(weights, architecture, vocab_size)
        dim = architecture.dim
        names = [f"transformer_blocks.{index}" for index in range(architecture.depth)]
        self.modulation = [Linear(weights, f"{name}.attn_norm.linear", dim, 6 * dim) for name in names]
        self.attention = [Attention(weights, f"{name}.attn", architecture) for name in names]
        self.feed_forward = [FeedForward(weights, f"{name}.ff", dim, architecture.ff_mult) for name in names]
        self.modulation_out = Linear(weights, "norm_out.linear", dim, 2 * dim)
        self.skip: PackedLinear | None = None
        if architecture.long_skip_connection:
            self.skip = PackedLinear(weights.take("long_skip_connection.weight", dim, 2 * dim))

    def condition_times(self, times: Tensor) -> TimestepConditioning:
        """Compute shift, scale and gate of attention, then of feed-forward, (nfe, 6, D) per layer.

        The last tensor is scale and shift of the final norm, (nfe, 2, D).
        """
        embedded = F.silu(self.time_embedding(times)).to(self.dtype)
        layers = [linear(embedded).float().view(-1, 6, self.dim) for linear in self.modulation]
        for layer in layers:
            layer[:, [1, 4]] += 1
        last = self.modulation_out(embedded).float().view(-1, 2, self.dim)
        last[:, 0] += 1
        return TimestepConditioning((*layers, last))

    def _transform(self, x: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        packing = batch.packing
        runs = [(run.tokens, *timesteps[run.first]) for run in packing.time_runs]
        entry = x if self.skip is None else x.clone()
        for index, (attention, feed_forward) in enumerate(zip(self.attention, self.feed_forward, strict=True)):
            modulated = [(tokens, conditioning.layers[index][step]) for tokens, conditioning, step in runs]
            h = self._norm(x, [(tokens, m[1], m[0]) for tokens, m in modulated], self.dtype)
            h = attention(h, packing, batch.cos, batch.sin)
            for tokens, m in modulated:
                x[tokens].addcmul_(m[2], h[tokens])
            h = feed_forward(self._norm(x, [(tokens, m[4], m[3]) for tokens, m in modulated], self.dtype))
            for tokens, m in modulated:
                x[tokens].addcmul_(m[5], h[tokens])
        if self.skip is not None:
            x = self.skip(torch.cat((x, entry), dim=-1).to(self.dtype)).float()
        last = [(tokens, c.layers[-1][step][0], c.layers[-1][step][1]) for tokens, c, step in runs]
        return self._norm(x, last, torch.float32)

    def _norm(self, x: Tensor, runs: Sequence[tuple[slice, Tensor, Tensor]], dtype: torch.dtype) -> Tensor:
        """Layer-normalize tokens (T, D), each run with its own scale and shift."""
        if len(runs) == 1:
            return F.layer_norm(x, (self.dim,), *runs[0][1:], EPS).to(dtype)
        out = torch.empty_like(x, dtype=dtype)
        for tokens, scale, shift in runs:
            out[tokens] = F.layer_norm(x[tokens], (self.dim,), scale, shift, EPS)
        return out


class UNetT(FlowModel):
    """E2-TTS. The timestep is a token before each row; skip connections join the layers of the two halves."""

    prefix = 1
    text_positions = UNETT_TEXT_POSITIONS

    def __init__(self, weights: Weights, architecture: Architecture, vocab_size: int):
        super().__init__(weights, architecture, vocab_size)
        dim, half = architecture.dim, architecture.depth // 2
        names = [f"layers.{index}" for index in range(architecture.depth)]
        self.skip_type = architecture.skip_connect_type
        self.attention_norm = [weights.take(f"{name}.1.g", dim, dtype=torch.float32) for name in names]
        self.attention = [Attention(weights, f"{name}.2", architecture) for name in names]
        self.feed_forward_norm = [weights.take(f"{name}.3.g", dim, dtype=torch.float32) for name in names]
        self.feed_forward = [FeedForward(weights, f"{name}.4", dim, architecture.ff_mult) for name in names]
        self.out_norm = weights.take("norm_out.g", dim, dtype=torch.float32)
        self.skip_projections: list[PackedLinear] = []
        if self.skip_type == "concat":
            self.skip_projections = [
                PackedLinear(weights.take(f"{name}.0.weight", dim, 2 * dim)) for name in names[half:]
            ]

    def condition_times(self, times: Tensor) -> TimestepConditioning:
        """Compute the prefix token of each step, (nfe, D)."""
        return TimestepConditioning((self.time_embedding(times),))

    def _transform(self, x: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        packing = batch.packing
        tokens = x.new_empty(len(packing.positions), self.dim)
        per_sample = zip(timesteps, packing.slots, strict=True)
        tokens[packing.frame_tokens] = x
        tokens[packing.prefix_tokens] = torch.cat(
            [conditioning.layers[0][step].expand(slot.rows, -1) for (conditioning, step), slot in per_sample]
        )
        x = tokens
        half = len(self.attention) // 2
        skips: list[Tensor] = []
        for index, (attention, feed_forward) in enumerate(zip(self.attention, self.feed_forward, strict=True)):
            if index < half:
                skips.append(x)
            elif self.skip_type == "concat":
                both = torch.cat((x, skips.pop()), dim=-1).to(self.dtype)
                x = self.skip_projections[index - half](both).float()
            elif self.skip_type == "add":
                x = x + skips.pop()
            h = attention(self._norm(x, self.attention_norm[index]).to(self.dtype), packing, batch.cos, batch.sin)
            x = x + h
            x = x + feed_forward(self._norm(x, self.feed_forward_norm[index]).to(self.dtype))
        return self._norm(x, self.out_norm)[packing.frame_tokens]

    def _norm(self, x: Tensor, gain: Tensor) -> Tensor:
        """Scale each token (T, D) to norm √D, then by the learned gains."""
        return F.normalize(x, dim=-1) * (gain * math.sqrt(self.dim))
