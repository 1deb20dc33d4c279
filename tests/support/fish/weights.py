"""Synthetic checkpoints in the official layout: every tensor is a function of seed, name and shape.

The golden files were made with the official v0.2.0 modules on weights from the same function.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch


def fill(key: str, shape: Sequence[int], seed: int) -> np.ndarray:
    """Return the values of the tensor named ``key``, scaled so that activations stay in range."""
    random = np.random.default_rng([seed, zlib.crc32(key.encode())])
    normal = random.standard_normal(tuple(shape)).astype(np.float32)
    last = key.rsplit(".", 1)[-1]
    if key.endswith("initted") or last == "cluster_size":
        return np.ones(shape, np.float32)
    if last in ("embed", "embed_avg", "original1"):
        return normal
    if last == "original0":
        return (1 + 0.1 * np.abs(normal)).astype(np.float32)
    if len(shape) <= 1:
        return (1 + 0.1 * normal if last == "weight" else 0.02 * normal).astype(np.float32)
    scale = 0.5 if "embeddings" in key else 1 / np.sqrt(np.prod(shape[1:]))
    return (scale * normal).astype(np.float32)


def tensors(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, torch.Tensor]:
    """Return a state dict. Each tensor has a generator of its own, so that threads can fill them."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        arrays = pool.map(lambda item: fill(*item, seed), shapes.items())
        return {key: torch.from_numpy(array) for key, array in zip(shapes, arrays, strict=True)}
