"""Checkpoints of F5-TTS in the forms its trainer and its community leave them in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backends.common.weights import Weights, load_checkpoint
from backends.errors import LoadError
from backends.f5.model import Architecture
from backends.f5.network import DiT, Network, UNetT

ENVELOPES = ("ema_model_state_dict", "model_state_dict")  # in this order: averaged weights speak better
EMBEDDING = "text_embed.text_embed.weight"
NETWORKS: dict[str, type[Network]] = {"DiT": DiT, "UNetT": UNetT}


def load_network(
    path: Path, architecture: Architecture, symbols: int, device: torch.device, dtype: torch.dtype
) -> Network:
    """Build the network from a checkpoint.

    :param symbols: size of the vocabulary.
    :raises LoadError: the checkpoint does not fit architecture or vocabulary.
    """
    weights = Weights(network_weights(path), str(path), device, dtype)
    if (rows := weights.rows(EMBEDDING)) != symbols + 1:
        raise LoadError(
            f"{path}: made for a vocabulary of {rows - 1} symbols, but the one given has {symbols}; "
            "name the vocab.txt it was trained with (model.vocab)"
        )
    network = NETWORKS[architecture.backbone](weights, architecture, symbols)
    weights.finish()
    return network


def network_weights(path: Path) -> dict[str, Tensor]:
    """The network's tensors under the names of f5-tts's classes.

    A ``.pt`` of the trainer holds averaged and raw weights in an envelope; a ``.safetensors`` has either bare. Averaged
    ones start with ``ema_model.``; either may hold constants of the spectrogram, which are left out.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    envelopes = (content[name] for name in ENVELOPES if isinstance(content.get(name), Mapping))
    content = next(envelopes, content)
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    averaged = {name: value for name, value in tensors.items() if name.startswith("ema_model.")}
    plain = {name.removeprefix("ema_model."): value for name, value in (averaged or tensors).items()}
    wanted = {name: value for name, value in plain.items() if name.startswith("transformer.")}
    return {name.removeprefix("transformer."): value for name, value in (wanted or plain).items()}
