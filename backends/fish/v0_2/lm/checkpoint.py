"""text2semantic checkpoints, in the forms that v0.2.0 writes and its community publishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backends.common.weights import Weights, load_checkpoint
from backends.errors import LoadError
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.linear import Int8Linear
from backends.fish.v0_2.lm.model import LanguageModel, Sizes

ENVELOPE, PREFIX = "state_dict", "model."  # of Lightning, which the trainer uses
CONSTANTS = ("freqs_cis", "causal_mask")
SPLIT = ("wq", "wk", "wv")
LORA_ALPHA = 16  # of the published fine-tuning configuration; the rank follows from the shapes


def load_language_model(
    path: Path, config: LMConfig, device: torch.device, dtype: torch.dtype, quantize: str | None, where: str
) -> LanguageModel:
    """Load the model from a checkpoint. A checkpoint with 8-bit weights is recognized by its tensors.

    :param dtype: precision of the computation.
    :param quantize: ``int8`` quantizes the linear layers of any other checkpoint.
    :param where: place of the sizes in the configuration, e.g. ``engines.fish.model.lm_config``.
    :raises LoadError: if the checkpoint cannot be read, or does not have the configured sizes.
    """
    tensors = merge(read_tensors(path), config, dtype, path)
    _check_sizes(tensors, config, path, where)
    with torch.device("meta"):
        model = LanguageModel(config)
        for name, layer in list(model.named_modules()):
            if isinstance(layer, nn.Linear) and f"{name}.scales" in tensors:
                weight, scales = torch.empty(layer.weight.shape, dtype=torch.int8), torch.empty(layer.out_features)
                model.set_submodule(name, Int8Linear(weight, scales))
    Weights(tensors, str(path), torch.device("cpu"), dtype).load(model)
    del tensors
    return model.optimize(device, dtype, int8=quantize == "int8")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the weights under the names of v0.2.0, without constants; they stay memory-mapped.

    :raises LoadError: if the file is unreadable, or has 4-bit weights.
    """
    content: Mapping[str, Any] = load_checkpoint(path)
    content = content.get(ENVELOPE, content)
    if any(name.startswith(PREFIX) for name in content):
        content = {name.replace(PREFIX, ""): value for name, value in content.items() if name.startswith(PREFIX)}
    if any(name.endswith(".scales_and_zeros") for name in content):
        raise LoadError(
            f"{path}: 4-bit weights packed for a CUDA kernel are not supported; "
            "use the checkpoint they were made from, with `quantize: int8` if memory is short"
        )
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    return {name: value for name, value in tensors.items() if name not in CONSTANTS}


def merge(tensors: dict[str, Tensor], config: LMConfig, dtype: torch.dtype, path: Path) -> dict[str, Tensor]:
    """Concatenate separate query, key and value weights of older files, and add LoRA weights to their layers.

    As in v0.2.0, LoRA is merged after the weights are cast to the precision of the computation.
    """
    for index in range(config.n_layer):
        name = f"layers.{index}.attention"
        if f"{name}.wq.weight" in tensors:
            parts = [tensors.pop(f"{name}.{part}.weight", None) for part in SPLIT]
            if any(part is None for part in parts):
                raise LoadError(f"{path}: has {name}.wq.weight, but not both wk and wv")
            tensors[f"{name}.wqkv.weight"] = torch.cat([part for part in parts if part is not None])
    for key in [key for key in tensors if key.endswith(".lora_A")]:
        name = key.removesuffix(".lora_A")
        try:
            down, up = tensors.pop(key).to(dtype), tensors.pop(f"{name}.lora_B").to(dtype)
            delta = up @ down * (LORA_ALPHA / len(down))
            weight = tensors[f"{name}.weight"].to(dtype)
            tensors[f"{name}.weight"] = weight + (delta.T if name == "embeddings" else delta)
        except (KeyError, RuntimeError) as error:
            raise LoadError(f"{path}: the LoRA weights of {name} do not fit: {error}") from error
    return tensors


def _check_sizes(tensors: Mapping[str, Tensor], config: LMConfig, path: Path, where: str) -> None:
    """Name the configuration keys that contradict the shapes of the checkpoint."""
    sizes = Sizes.of(config)
    ids = f"vocab_size + num_codebooks * codebook_size = {sizes.ids}"
    qkv_rows = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
    expected = {
        "embeddings.weight": ((sizes.ids, config.dim), f"{ids}, dim = {config.dim}"),
        "output.weight": ((sizes.ids, config.dim), f"{ids}, dim = {config.dim}"),
        "layers.0.attention.wqkv.weight": (
            (qkv_rows, config.dim),
            f"(n_head + 2 * n_local_heads) * head_dim = {qkv_rows}, dim = {config.dim}",
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
