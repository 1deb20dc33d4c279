"""A whole small model in the official layout: codec, language model and tokenizer, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fish.codec_synthetic import write_codec
from fish.lm_synthetic import write_language_model
from fish.text_synthetic import write_tokenizer
from msgspec import structs

from backends.fish.v0_2.config import LMConfig

VOCABULARY = 1024
SMALL = LMConfig(max_seq_len=512, vocab_size=VOCABULARY, n_layer=2, n_head=4, dim=64)


def write_model(folder: Path) -> dict[str, Any]:
    """Write it and return the ``model:`` block that names it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder / "tokenizer", VOCABULARY)
    return {
        "codec_checkpoint": str(write_codec(folder, small=True)),
        "lm_checkpoint": str(write_language_model(folder, SMALL)),
        "lm_config": {key: value for key, value in structs.asdict(SMALL).items() if value is not None},
        "tokenizer": str(folder / "tokenizer"),
    }
