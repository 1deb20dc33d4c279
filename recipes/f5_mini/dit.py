"""The engine's DiT in training: rows of equal length, each with its own time, and values for auxiliary losses.

Unlike at inference, each row drops its conditions independently, the text encoder skips the filler after the text, and
attention on a CPU keeps its probabilities.

T is in mel frames; L is the number of symbols of the longest text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.config import Architecture
from backends.f5.layers import TEXT_CONV_TAPS, Attention, TextEmbedding
from backends.f5.model import DiT
from backends.f5.packing import SampleShape
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
MATRICES = ("to_q", "to_k", "to_v", "to_out.0", "ff.0.0", "ff.2", "pwconv1", "pwconv2")


def new_network(architecture: Architecture = ARCHITECTURE) -> DiT:
    """Build a network whose layers start as the identity, as in DiT (arXiv 2212.09748)."""
    network = DiT(architecture, len(SYMBOLS))
    for name, value in network.named_parameters():
        if name.startswith(("norm_out.", "proj_out.")) or ".attn_norm." in name:
            nn.init.zeros_(value)
    for layer in attention_layers(network):
        layer.attend = attention
    return network


def attention_layers(network: DiT) -> list[Attention]:
    """The attention of each block."""
    return [module for module in network.modules() if isinstance(module, Attention)]


def matrices(network: nn.Module) -> set[str]:
    """Names of the weights that mix channels: those of attention, feed-forward and the text's blocks."""
    ends = tuple(f".{name}.weight" for name in MATRICES)
    return {name for name, _ in network.named_parameters() if name.endswith(ends)}


def velocity(
    network: DiT, noisy: Tensor, known: Tensor, symbols: Tensor, frame_symbols: Tensor, time: Tensor, dropped: Tensor
) -> Tensor:
    """Predict the velocity, float32 (B, T, M).

    :param noisy: mels mixed with noise, (B, T, M).
    :param known: mels where they are given, 0 elsewhere, (B, T, M).
    :param symbols: ids + 1, 0 for the filler, (B, L).
    :param frame_symbols: index of the symbol assigned to each frame, (B, T); see ``sequences.upsample_indices``.
    :param time: 0 for noise, 1 for speech, (B,).
    :param dropped: rows without a text, (B,).
    """
    rows, frames, _ = noisy.shape
    in_float32 = torch.autocast(noisy.device.type, enabled=False)  # bfloat16 cannot distinguish times close to 0
    with in_float32:
        constants = network.condition_times(time).layers
    text = encode_text(network.text_embed, symbols, frames, dropped)
    text = text.gather(1, frame_symbols[..., None].expand(-1, -1, text.shape[-1]))
    batch = network.prepare(
        [SampleShape(frames, 1, timestep=None)] * rows, [network.input_embed.condition(text, known).flatten(0, 1)]
    )
    x = network.embed(noisy.flatten(0, 1), batch).view(rows, frames, -1)
    x = network.transform(x, batch, [[(..., layer.transpose(0, 1)[:, :, None])] for layer in constants])
    with in_float32:
        output: Tensor = network.proj_out(x)
    return output


def encode_text(encoder: TextEmbedding, symbols: Tensor, frames: int, dropped: Tensor) -> Tensor:
    """Encode texts as if padded with filler to ``frames``, which affects the response norm.

    All filler that the text does not influence is equal, so one position represents it.

    :param symbols: ids + 1, 0 for the filler, (B, L).
    :param dropped: rows without a text, (B,): all their symbols become filler.
    :returns: (B, L, D), D being the text width; zero at the filler.
    """
    longest = symbols.shape[1]
    positions = min(frames, longest + FILLER_REACH + 1)
    counts = torch.ones(positions, 1, device=symbols.device)
    counts[-1] += frames - positions
    encoded: Tensor = encoder(F.pad(symbols, (0, positions - longest)), dropped, counts)
    return encoded[:, :longest]


@dataclass
class AuxiliaryOutputs:
    """Auxiliary outputs: scores (B, T / GUIDE_STRIDE, T) of the guided heads, features (B, T, D) of the phone layer."""

    scores: list[Tensor] = field(default_factory=list)
    features: Tensor = field(default_factory=lambda: torch.empty(0))


@contextmanager
def auxiliary_outputs(network: DiT) -> Iterator[AuxiliaryOutputs]:
    """Collect the auxiliary outputs of a call inside the context."""
    found = AuxiliaryOutputs()

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        found.scores.append((query[:, 0, ::GUIDE_STRIDE] * query.shape[-1] ** -0.5) @ key[:, 0].mT)
        return attention(query, key, value)

    def keep(_block: nn.Module, _inputs: Any, output: Tensor) -> None:
        found.features = output

    layers = attention_layers(network)
    hook = network.transformer_blocks[PHONE_LAYER].register_forward_hook(keep)
    for index in GUIDED_LAYERS:
        layers[index].attend = attend
    try:
        yield found
    finally:
        hook.remove()
        for index in GUIDED_LAYERS:
            layers[index].attend = attention
