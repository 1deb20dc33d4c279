"""Stages 2 and 4 together: speech, and the codes of each shard as soon as it is spoken.

This requires the codec of an exported model. Training can run at the same time; it reads new shards as they appear.
Every twentieth shard is also encoded in altered voices.

    python -m recipes.fish_mini.produce --work WORK --model fish-mini --minutes 40 --processes 2
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import torch

from recipes.common.teacher import PLAIN, speak_shards, teacher_arguments
from recipes.common.workspace import HELD_OUT_SHARD
from recipes.fish_mini import codes
from recipes.fish_mini.columns import ALTERED
from recipes.fish_mini.exported import load_mel_codec

ALTERED_EVERY = 20  # shards

encoder = lru_cache(load_mel_codec)


def add(work: Path, model: Path, name: str) -> None:
    """Encode a shard."""
    codes.add(work, encoder(model), name)
    if name != HELD_OUT_SHARD and int(name.rpartition("_")[2]) % ALTERED_EVERY == 0:
        codes.add(work, encoder(model), f"{ALTERED}_{name}")


def main() -> None:
    """Produce missing shards until the time is up."""
    parser = teacher_arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the exported model whose codec encodes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    speak_shards(args, PLAIN, partial(add, args.work, args.model))


if __name__ == "__main__":
    main()
