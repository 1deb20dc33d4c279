"""Checkpoint loading: the layouts that f5-tts's trainer and its community publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backends.common.weights import Weights, direct, load_checkpoint
from backends.errors import LoadError
from backends.f5.config import Architecture
from backends.f5.model import DiT, FlowModel, UNetT

STATE_DICT_KEYS = ("ema_model_state_dict", "model_state_dict")  # averaged weights first: they sound better
EMBEDDING = "text_embed.text_embed.weight"
MODEL_CLASSES: dict[str, type[FlowModel]] = {"DiT": DiT, "UNetT": UNetT}


def load_model(
    path: Path, architecture: Architecture, vocab_size: int, device: torch.device, dtype: torch.dtype
) -> FlowModel:
    """Build the model from a checkpoint, packed for inference.

    :raises LoadError: if the checkpoint does not match the architecture or the vocabulary.
    """
    weights = Weights(model_weights(path), str(path), device, torch.float32)
    if (rows := weights.rows(EMBEDDING)) != vocab_size + 1:
        raise LoadError(
            f"{path}: trained with a vocabulary of {rows - 1} symbols, but the configured one has {vocab_size}; "
            "set model.vocab to the vocab.txt it was trained with"
        )
    return build_model(weights, architecture, vocab_size, dtype)


def build_model(weights: Weights, architecture: Architecture, vocab_size: int, dtype: torch.dtype) -> FlowModel:
    """Build a model for inference.

    :param weights: with the names of f5-tts's classes.
    :raises LoadError: if they do not match the architecture.
    """
    with torch.device("meta"):
        model = MODEL_CLASSES[architecture.backbone](architecture, vocab_size).eval().requires_grad_(False)
    model.cast(dtype)
    weights.drop("rotary_embed.inv_freq")  # a constant
    model.load_state_dict(
        {name: weights.take(name, *meta.shape, dtype=meta.dtype) for name, meta in model.state_dict().items()},
        assign=True,
    )
    weights.finish()
    model.pack()
    return direct(model)


def model_weights(path: Path) -> dict[str, Tensor]:
    """Read the model's tensors, named as in f5-tts's classes.

    The trainer's ``.pt`` nests averaged and raw weights under :data:`STATE_DICT_KEYS`; a ``.safetensors`` holds either
    at the top level. Averaged weights have the prefix ``ema_model.``. Spectrogram constants are dropped.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    nested = (content[key] for key in STATE_DICT_KEYS if isinstance(content.get(key), Mapping))
    content = next(nested, content)
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    averaged = {name: value for name, value in tensors.items() if name.startswith("ema_model.")}
    plain = {name.removeprefix("ema_model."): value for name, value in (averaged or tensors).items()}
    transformer = {name: value for name, value in plain.items() if name.startswith("transformer.")}
    return {name.removeprefix("transformer."): value for name, value in (transformer or plain).items()}
