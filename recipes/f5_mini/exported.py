"""Reader of an exported flow network, for further training."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

CHECKPOINT_FILE = "f5-mini.safetensors"
PREFIX = "ema_model.transformer."
CONSTANTS = ("rotary_embed.inv_freq",)


def read_flow(folder: Path) -> dict[str, Tensor]:
    """Weights of the ``DiT`` in float32, the inverse of ``export.flow_tensors``."""
    found = load_file(folder / CHECKPOINT_FILE)
    weights = {name.removeprefix(PREFIX): value for name, value in found.items() if name.startswith(PREFIX)}
    return {name: value.float() for name, value in weights.items() if name not in CONSTANTS}
