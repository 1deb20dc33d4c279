"""A complete small model in the official layout with random weights: codec, language model and tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import structs
from support.fish.codec import write_codec
from support.fish.lm import write_language_model
from support.fish.tokenizer import write_tokenizer

from backends.fish.v0_2.config import LMConfig

VOCABULARY = 1024
SMALL = LMConfig(max_seq_len=512, vocab_size=VOCABULARY, n_layer=2, n_head=4, dim=64)


def write_model(folder: Path) -> dict[str, Any]:
    """Write the model and return the ``model:`` block that names its files."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder / "tokenizer", VOCABULARY)
    return {
        "codec_checkpoint": str(write_codec(folder, small=True)),
        "lm_checkpoint": str(write_language_model(folder, SMALL)),
        "lm_config": {key: value for key, value in structs.asdict(SMALL).items() if value is not None},
        "tokenizer": str(folder / "tokenizer"),
    }
