"""Small synthetic models of the engines that need PyTorch, in the official layouts, one text of which fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

POISON = "Q"
"""A character whose embedding is NaN: text with it fails while it is generated."""

FAILING_TEXT = f"One. {POISON}."
DEFAULTS: dict[str, dict[str, Any]] = {
    "f5": {"nfe": 5},
    "fish": {"max_new_tokens": 24, "use_g2p": False, "chunk_length": 60},
}


def write_f5(folder: Path) -> dict[str, Any]:
    """Write a tiny F5 model with one voice and return its ``model:`` block."""
    import torch
    from safetensors.torch import load_file, save_file
    from support.f5.sampling import write_model

    from backends.f5.vocabulary import package_file

    model = write_model(folder, "tiny")
    weights = load_file(model["checkpoint"])
    symbols = package_file("infer/examples/vocab.txt").read_text().split("\n")
    weights["ema_model.transformer.text_embed.text_embed.weight"][symbols.index(POISON) + 1] = torch.nan
    save_file(weights, model["checkpoint"])
    # Room for a long job and a short one together, but not for two long ones.
    return {**model, "voices": _clip(folder), "max_batch_frames": 1000}


def write_fish(folder: Path) -> dict[str, Any]:
    """Write a small Fish-Speech 0.2 model and return its ``model:`` block."""
    import torch
    from support.fish.model import write_model
    from tokenizers import Tokenizer

    model = write_model(folder)
    weights = torch.load(model["lm_checkpoint"], weights_only=True)
    poisoned = Tokenizer.from_file(f"{model['tokenizer']}/tokenizer.json").token_to_id(POISON)
    weights["embeddings.weight"][poisoned] = torch.nan
    torch.save(weights, model["lm_checkpoint"])
    return model


def _clip(folder: Path) -> str:
    """A folder with one short reference clip; the shipped ones take 5 s, which every sample would carry."""
    clips = folder / "voices"
    clips.mkdir()
    time_s = np.arange(24000) / 24000
    soundfile.write(clips / "hum.wav", 0.3 * np.sin(2 * np.pi * 150 * time_s) * np.sin(2 * np.pi * 4 * time_s), 24000)
    (clips / "hum.txt").write_text("This is what it says.")
    return str(clips)
