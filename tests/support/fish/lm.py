"""Language models with synthetic weights, in every form of checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from support.fish import GOLDEN
from support.fish.weights import tensors
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.model import LanguageModel, Sizes

CPU = torch.device("cpu")
TINY = LMConfig(max_seq_len=256, vocab_size=300, n_layer=2, n_head=4, dim=64)
"""The sizes of ``lm_tiny.npz``."""

Form = Literal["bare", "prefixed", "lightning", "split", "int8", "int4", "lora"]
FORMS: tuple[Form, ...] = get_args(Form)
LORA_RANK = 8


def golden(name: str) -> dict[str, Any]:
    """Return the content of a golden file, with ``config`` parsed."""
    with np.load(GOLDEN / f"{name}.npz") as content:
        arrays: dict[str, Any] = dict(content)
    return {**arrays, "config": LMConfig(**json.loads(str(arrays["config"]))), "seed": int(arrays["seed"])}


def shapes(config: LMConfig) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the published layout, without constants."""
    sizes, dim = Sizes.of(config), config.dim
    heads = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
    result: dict[str, tuple[int, ...]] = {"embeddings.weight": (sizes.ids, dim), "output.weight": (sizes.ids, dim)}
    for name in (f"layers.{index}." for index in range(config.n_layer)):
        result[f"{name}attention.wqkv.weight"] = (heads, dim)
        result[f"{name}attention.wo.weight"] = (dim, sizes.heads * sizes.head_dim)
        result[f"{name}feed_forward.w1.weight"] = result[f"{name}feed_forward.w3.weight"] = (sizes.hidden, dim)
        result[f"{name}feed_forward.w2.weight"] = (dim, sizes.hidden)
        result[f"{name}attention_norm.weight"] = result[f"{name}ffn_norm.weight"] = (dim,)
    return {**result, "norm.weight": (dim,)}


def is_linear(name: str) -> bool:
    return name == "output.weight" or ("norm" not in name and name.startswith("layers."))


def build(
    config: LMConfig,
    dtype: torch.dtype = torch.float32,
    *,
    int8: bool = False,
    seed: int = 1,
    device: torch.device = CPU,
) -> LanguageModel:
    """Build a model without writing a file."""
    return from_tensors(tensors(shapes(config), seed), config, dtype, int8=int8, device=device)


def from_tensors(
    state: dict[str, Tensor],
    config: LMConfig,
    dtype: torch.dtype = torch.float32,
    *,
    int8: bool = False,
    device: torch.device = CPU,
) -> LanguageModel:
    with torch.device("meta"):
        model = LanguageModel(config)
    Weights(state, "test", CPU, dtype).load(model)
    return model.optimize(device, dtype, int8=int8)


def write_language_model(folder: Path, config: LMConfig, seed: int = 1, form: Form = "bare") -> Path:
    """Write a checkpoint.

    :param form: ``bare`` names; ``prefixed`` by ``model.``; ``lightning``: in the trainer's envelope; ``split``:
        separate queries, keys and values; ``int8`` and ``int4`` as v0.2.0's ``quantize.py`` writes them (only the
        names of ``int4`` are real); ``lora``: fine-tuned, with separate LoRA weights.
    """
    path = folder / f"text2semantic-{form}.pth"
    torch.save(in_form(tensors(shapes(config), seed), config, form, seed), path)
    return path


def in_form(state: dict[str, Tensor], config: LMConfig, form: Form, seed: int = 1) -> dict[str, Any]:
    if form == "int8":
        state = as_int8(state)
    elif form == "int4":
        for name in [name for name in state if is_linear(name)]:
            state[name.replace(".weight", ".scales_and_zeros")] = torch.zeros(1, 1, 2, dtype=torch.bfloat16)
    elif form == "lora":
        state |= lora(state, seed)
    elif form == "split":
        sizes = Sizes.of(config)
        rows = [sizes.heads * sizes.head_dim, *[sizes.kv_heads * sizes.head_dim] * 2]
        for name in [name for name in state if "wqkv" in name]:
            parts = state.pop(name).split(rows)
            state |= {name.replace("wqkv", part): rows for part, rows in zip(("wq", "wk", "wv"), parts, strict=True)}
    length = config.max_seq_len
    constants = {
        "freqs_cis": torch.zeros(length, Sizes.of(config).head_dim // 2, 2, dtype=torch.bfloat16),  # wrong on purpose
        "causal_mask": torch.ones(length, length, dtype=torch.bool),
    }
    if form in ("prefixed", "lightning"):
        state = {f"model.{name}": value for name, value in {**state, **constants}.items()}
        return {"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 1e-4}} if form == "lightning" else state
    return {**state, **constants}


def as_int8(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Quantize as ``WeightOnlyInt8QuantHandler`` of v0.2.0 does."""
    result = dict(state)
    for name in [name for name in state if is_linear(name)]:
        weight = state[name].to(torch.bfloat16).float()
        scales = (weight.abs().amax(1) / 127.5).clamp(min=torch.finfo(torch.float32).eps)
        result[name] = (weight / scales[:, None]).round().clamp(-128, 127).to(torch.int8)
        result[name.replace(".weight", ".scales")] = scales.to(torch.bfloat16)
    return result


def lora(state: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Return ``<module>.lora_A`` and ``.lora_B`` for every module that loralib replaces."""
    added: dict[str, tuple[int, ...]] = {}
    for name in [name for name in state if is_linear(name) or name == "embeddings.weight"]:
        rows, columns = state[name].shape
        module = name.removesuffix(".weight")
        if module == "embeddings":
            rows, columns = columns, rows
        added[f"{module}.lora_A"] = (LORA_RANK, columns)
        added[f"{module}.lora_B"] = (rows, LORA_RANK)
    return tensors(added, seed)
