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
from torch import Tensor, nn

from backends.f5.config import MELS, Architecture
from backends.f5.layers import (
    Attention,
    ConvPositionEmbedding,
    FeedForward,
    InputEmbedding,
    Modulated,
    Modulation,
    TextEmbedding,
    TimestepEmbedding,
    adaptive_norm,
    add_gated,
    rotary_frequencies,
    upsample_text,
)
from backends.f5.linear import PackedLinear
from backends.f5.packing import PackedBatch, SampleShape

DIT_TEXT_POSITIONS = 8192
UNETT_TEXT_POSITIONS = 4096


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """Constants of a batch until a sample joins or leaves it.

    :param conditioning: what reference and text add to each frame token, shape (T, D), prefix tokens not counted.
    :param cos: rotary cosines of each token, shape (T, 1, 1, Dh / 2), in the model's dtype; ``sin`` likewise.
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


class FlowModel(nn.Module, ABC):
    """The shared parts of both models: input embeddings and output projection.

    A new model is a trainable float32 network. For inference, :meth:`cast` and :meth:`pack` it.

    :param vocab_size: number of symbols in the vocabulary.
    """

    prefix: int = 0
    """Tokens before the frames of each row."""
    text_positions: int

    def __init__(self, architecture: Architecture, vocab_size: int):
        super().__init__()
        self.architecture = architecture
        self.time_embed = TimestepEmbedding(architecture.dim)
        self.text_embed = TextEmbedding(architecture, vocab_size, self.text_positions)
        self.input_embed = InputEmbedding(architecture.dim, architecture.text_width)
        self.proj_out = nn.Linear(architecture.dim, MELS)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.proj_out.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the inner loop."""
        return self.input_embed.conv_pos_embed.conv1d[0].weight.dtype  # type: ignore[return-value]

    def cast(self, dtype: torch.dtype) -> None:
        """Convert the inner loop; embeddings, norms and output stay in float32."""
        for module in self.modules():
            if isinstance(module, (ConvPositionEmbedding, Attention, FeedForward, Modulation, PackedLinear)):
                module.to(dtype)

    def pack(self) -> None:
        """Prepare the weights for inference; the model can be neither trained nor moved afterwards."""
        self.apply(lambda part: part.pack() if isinstance(part, (Attention, InputEmbedding, PackedLinear)) else None)

    def condition(self, reference_mel: Tensor, text_ids: Tensor, frames: int, *, guided: bool) -> Tensor:
        """Embed a sample's reference and text, which are the same at every timestep.

        :param reference_mel: shape (T, M), T at most ``frames``.
        :param text_ids: shape (T,), T symbols.
        :param guided: add the unconditional row, which has neither.
        :returns: shape (rows · frames, D), float32.
        """
        symbols = F.pad(text_ids[:frames] + 1, (0, max(0, frames - len(text_ids))))
        without_text = torch.arange(1 + guided, device=symbols.device) > 0
        text = self.text_embed(symbols.expand(1 + guided, -1), without_text)
        if self.architecture.text_embedding_average_upsampling:
            text = upsample_text(text, min(len(text_ids), frames))
        return self.input_embed.condition(text, reference_mel[None]).flatten(0, 1)

    def prepare(self, shapes: Sequence[SampleShape], conditioning: Sequence[Tensor]) -> PreparedBatch:
        """Pack samples into a batch.

        :param conditioning: result of :meth:`condition` for each sample.
        """
        packing = PackedBatch(shapes, self.prefix, self.device)
        packed = torch.cat(list(conditioning)) if len(conditioning) > 1 else conditioning[0]
        frequencies = rotary_frequencies(self.architecture.dim_head, self.device)
        angles = torch.outer(packing.positions.float(), frequencies)[:, None, None]
        return PreparedBatch(packing, packed, angles.cos().to(self.dtype), angles.sin().to(self.dtype))

    @abstractmethod
    def condition_times(self, times: Tensor) -> TimestepConditioning:
        """Compute the time-dependent constants of a schedule.

        :param times: shape (nfe,), float32.
        """

    def forward(self, frames: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        """Evaluate the velocity of the flow.

        :param frames: noisy mels of all samples, shape (T, M), T frames, float32.
        :param timesteps: one for each sample.
        :returns: shape (T, M), T tokens without prefix tokens, float32.
        """
        velocity: Tensor = self.proj_out(self._transform(self.embed(frames, batch), batch, timesteps))
        return velocity

    def embed(self, frames: Tensor, batch: PreparedBatch) -> Tensor:
        """Embed noisy mels, shape (T, M), together with reference and text; return frame tokens (T, D), float32."""
        packing = batch.packing
        x = self.input_embed.project_noisy(frames)
        x = (batch.conditioning + (x if packing.has_single_rows else x[packing.frame_of_token])).float()
        h = x.to(self.dtype, copy=True)
        for run in packing.row_runs:
            rows = h[run.frame_tokens].view(run.rows, -1, h.shape[-1])
            x[run.frame_tokens] += self.input_embed.conv_pos_embed(rows).flatten(0, 1)
        return x

    @abstractmethod
    def _transform(self, x: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        """Apply the transformer to frame tokens, shape (T, D); the result is normalized and float32."""


class DiTBlock(nn.Module):
    """Attention and feed-forward, modulated by the timestep."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.attn_norm = Modulation(architecture.dim, 6, scales=(1, 4))
        self.attn = Attention(architecture)
        self.ff = FeedForward(architecture.dim, architecture.ff_mult)

    def forward(self, x: Tensor, batch: PreparedBatch, modulated: Modulated) -> Tensor:
        """Map tokens (…, D) to the same shape; in place in inference mode.

        :param modulated: shift, scale and gate of attention, then of feed-forward, for each range of tokens.
        """
        h = adaptive_norm(x, modulated, shift=0, scale=1, dtype=batch.cos.dtype)
        x = add_gated(x, self.attn(h, batch.packing, batch.cos, batch.sin), modulated, gate=2)
        h = adaptive_norm(x, modulated, shift=3, scale=4, dtype=batch.cos.dtype)
        return add_gated(x, self.ff(h), modulated, gate=5)


class DiT(FlowModel):
    """F5-TTS. Adaptive layer norm (adaLN): the timestep shifts, scales and gates every layer."""

    text_positions = DIT_TEXT_POSITIONS

    def __init__(self, architecture: Architecture, vocab_size: int):
        super().__init__(architecture, vocab_size)
        dim = architecture.dim
        self.transformer_blocks = nn.ModuleList(DiTBlock(architecture) for _ in range(architecture.depth))
        self.norm_out = Modulation(dim, 2, scales=(0,))
        self.long_skip_connection: PackedLinear | None = None
        if architecture.long_skip_connection:
            self.long_skip_connection = PackedLinear(2 * dim, dim, bias=False)

    def condition_times(self, times: Tensor) -> TimestepConditioning:
        """Compute shift, scale and gate of attention, then of feed-forward, (nfe, 6, D) per layer.

        The last tensor is scale and shift of the final norm, (nfe, 2, D).
        """
        embedded = F.silu(self.time_embed(times)).to(self.dtype)
        layers = (module for module in self.modules() if isinstance(module, Modulation))
        return TimestepConditioning(tuple(layer(embedded) for layer in layers))

    def _transform(self, x: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        runs = [(run.tokens, *timesteps[run.first]) for run in batch.packing.time_runs]
        layers = range(len(self.transformer_blocks) + 1)
        return self.transform(
            x, batch, [[(tokens, conditioning.layers[i][step]) for tokens, conditioning, step in runs] for i in layers]
        )

    def transform(self, x: Tensor, batch: PreparedBatch, modulated: Sequence[Modulated]) -> Tensor:
        """Apply the transformer to tokens of shape (T, D) or, if all rows have equal length, (B, T, D).

        :param modulated: for each layer and the final norm, see :meth:`condition_times`.
        """
        entry = x if self.long_skip_connection is None else x.clone()
        for block, constants in zip(self.transformer_blocks, modulated[:-1], strict=True):
            x = block(x, batch, constants)
        if self.long_skip_connection is not None:
            x = self.long_skip_connection(torch.cat((x, entry), dim=-1).to(self.dtype)).float()
        return adaptive_norm(x, modulated[-1], shift=1, scale=0, dtype=torch.float32)


class UNetT(FlowModel):
    """E2-TTS. The timestep is a token before each row; skip connections join the layers of the two halves."""

    prefix = 1
    text_positions = UNETT_TEXT_POSITIONS

    def __init__(self, architecture: Architecture, vocab_size: int):
        super().__init__(architecture, vocab_size)
        dim, depth, self.skip_type = architecture.dim, architecture.depth, architecture.skip_connect_type
        self.layers = nn.ModuleList()
        for index in range(depth):
            joins = self.skip_type == "concat" and index >= depth // 2
            skip = PackedLinear(2 * dim, dim, bias=False) if joins else nn.Identity()
            attention, feed_forward = Attention(architecture), FeedForward(dim, architecture.ff_mult)
            self.layers.append(nn.ModuleList([skip, GainNorm(dim), attention, GainNorm(dim), feed_forward]))
        self.norm_out = GainNorm(dim)

    def condition_times(self, times: Tensor) -> TimestepConditioning:
        """Compute the prefix token of each step, (nfe, D)."""
        return TimestepConditioning((self.time_embed(times),))

    def _transform(self, x: Tensor, batch: PreparedBatch, timesteps: Sequence[Timestep]) -> Tensor:
        packing = batch.packing
        tokens = x.new_empty(len(packing.positions), x.shape[-1])
        per_sample = zip(timesteps, packing.slots, strict=True)
        tokens[packing.frame_tokens] = x
        tokens[packing.prefix_tokens] = torch.cat(
            [conditioning.layers[0][step].expand(slot.rows, -1) for (conditioning, step), slot in per_sample]
        )
        x = tokens
        skips: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            skip, attention_norm, attention, feed_forward_norm, feed_forward = layer.children()
            if index < len(self.layers) // 2:
                skips.append(x)
            elif self.skip_type == "concat":
                x = skip(torch.cat((x, skips.pop()), dim=-1).to(self.dtype)).float()
            elif self.skip_type == "add":
                x = x + skips.pop()
            x = x + attention(attention_norm(x).to(self.dtype), packing, batch.cos, batch.sin)
            x = x + feed_forward(feed_forward_norm(x).to(self.dtype))
        normalized: Tensor = self.norm_out(x)
        return normalized[packing.frame_tokens]


class GainNorm(nn.Module):
    """Scales each token to norm √D, then by learned gains."""

    def __init__(self, dim: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize tokens (T, D)."""
        return F.normalize(x, dim=-1) * (self.g * math.sqrt(len(self.g)))
