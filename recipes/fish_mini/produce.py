"""Stages 2 and 4 at once: speech, and the codes of each shard as soon as it is spoken.

For this the codec has to be there: that of an exported model. Training can run meanwhile: it takes up shards as they
appear. Of every twentieth shard there is an altered one as well.

    python -m recipes.fish_mini.produce --work WORK --model fish-mini --minutes 40 --processes 2
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import torch

from recipes.common.places import HELD_OUT_SHARD
from recipes.common.teacher import PLAIN, teach, teacher_arguments
from recipes.fish_mini import codes
from recipes.fish_mini.columns import ALTERED
from recipes.fish_mini.exported import load_encoder

ALTERED_EVERY = 20  # shards

encoder = lru_cache(load_encoder)


def add(work: Path, model: Path, name: str) -> None:
    """Encode a shard."""
    codes.add(work, encoder(model), name)
    if name != HELD_OUT_SHARD and int(name.rpartition("_")[2]) % ALTERED_EVERY == 0:
        codes.add(work, encoder(model), f"{ALTERED}_{name}")


def main() -> None:
    """Produce the missing shards, as far as time allows."""
    parser = teacher_arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the exported model whose codec encodes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    teach(asked, PLAIN, partial(add, asked.work, asked.model))


if __name__ == "__main__":
    main()
