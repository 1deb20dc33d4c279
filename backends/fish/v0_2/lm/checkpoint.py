"""Checkpoints of text2semantic in the forms that v0.2.0 writes and its community publishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backends.common.weights import load_checkpoint
from backends.errors import LoadError
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.linear import LayerWeights
from backends.fish.v0_2.lm.model import LanguageModel, Sizes

ENVELOPE, PREFIX = "state_dict", "model."  # of Lightning, which the trainer is built on
CONSTANTS = ("freqs_cis", "causal_mask")
SPLIT = ("wq", "wk", "wv")
LORA_ALPHA = 16  # of the published fine-tuning configuration; the rank is in the shapes


def load_language_model(
    path: Path, config: LMConfig, device: torch.device, dtype: torch.dtype, quantize: str | None, where: str
) -> LanguageModel:
    """Build the network from a checkpoint; a file of 8-bit weights is recognised by what is in it.

    :param dtype: what it computes in.
    :param quantize: ``int8`` rounds the linear layers of any other file to 8 bits.
    :param where: the place of the sizes in the configuration, e.g. ``engines.fish.model.lm_config``.
    :raises LoadError: the checkpoint cannot be read, or its sizes are not those configured.
    """
    tensors = merged(network_weights(path), config, dtype, path)
    _check_sizes(tensors, config, path, where)
    weights = LayerWeights(tensors, str(path), device, dtype)
    del tensors
    with torch.inference_mode():
        model = LanguageModel(weights, config, int8=quantize == "int8")
    weights.finish()
    return model


def network_weights(path: Path) -> dict[str, Tensor]:
    """The network's tensors under the names of v0.2.0, without constants; still in the file's memory.

    :raises LoadError: unreadable, or of 4 bits.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    content = content.get(ENVELOPE, content)
    if any(name.startswith(PREFIX) for name in content):
        content = {name.replace(PREFIX, ""): value for name, value in content.items() if name.startswith(PREFIX)}
    if any(name.endswith(".scales_and_zeros") for name in content):
        raise LoadError(
            f"{path}: holds weights of 4 bits in the order of one CUDA kernel, which is not supported; "
            "use the checkpoint it was made from, with `quantize: int8` if memory is short"
        )
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    return {name: value for name, value in tensors.items() if name not in CONSTANTS}


def merged(tensors: dict[str, Tensor], config: LMConfig, dtype: torch.dtype, path: Path) -> dict[str, Tensor]:
    """Join what older files hold apart (queries, keys, values) and add what fine-tuning left beside a layer (LoRA).

    v0.2.0 merges LoRA after it has cast everything to the precision it computes in.
    """
    for index in range(config.n_layer):
        name = f"layers.{index}.attention"
        if f"{name}.wq.weight" in tensors:
            parts = [tensors.pop(f"{name}.{part}.weight", None) for part in SPLIT]
            if any(part is None for part in parts):
                raise LoadError(f"{path}: has {name}.wq.weight, but not both of wk and wv beside it")
            tensors[f"{name}.wqkv.weight"] = torch.cat([part for part in parts if part is not None])
    for key in [key for key in tensors if key.endswith(".lora_A")]:
        name = key.removesuffix(".lora_A")
        try:
            down, up = tensors.pop(key).to(dtype), tensors.pop(f"{name}.lora_B").to(dtype)
            added = up @ down * (LORA_ALPHA / len(down))
            weight = tensors[f"{name}.weight"].to(dtype)
            tensors[f"{name}.weight"] = weight + (added.T if name == "embeddings" else added)
        except (KeyError, RuntimeError) as error:
            raise LoadError(f"{path}: the LoRA weights of {name} do not fit: {error}") from error
    return tensors


def _check_sizes(tensors: Mapping[str, Tensor], config: LMConfig, path: Path, where: str) -> None:
    """Say which keys of the configuration are at fault, where a shape shows it."""
    sizes = Sizes.of(config)
    ids = f"vocab_size + num_codebooks * codebook_size = {sizes.ids}"
    joined = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
    expected = {
        "embeddings.weight": ((sizes.ids, config.dim), f"{ids}, dim = {config.dim}"),
        "output.weight": ((sizes.ids, config.dim), f"{ids}, dim = {config.dim}"),
        "layers.0.attention.wqkv.weight": (
            (joined, config.dim),
            f"(n_head + 2 * n_local_heads) * head_dim = {joined}, dim = {config.dim}",
        ),
        "layers.0.feed_forward.w1.weight": (
            (sizes.hidden, config.dim),
            f"intermediate_size = {sizes.hidden}, dim = {config.dim}",
        ),
    }
    for name, (shape, keys) in expected.items():
        if name in tensors and tensors[name].shape != shape:
            raise LoadError(f"{path}: {name} has shape {tuple(tensors[name].shape)}, but {where} says {keys}")
    layers = {name.split(".")[1] for name in tensors if name.startswith("layers.")}
    if layers and len(layers) != config.n_layer:
        raise LoadError(f"{path}: has {len(layers)} layers, but {where} says n_layer = {config.n_layer}")
