"""Stages 2 and 3 at once: speech, and the features of each shard as soon as it is spoken.

Training can run meanwhile: it takes up shards as they appear.

    python -m recipes.f5_mini.produce --work WORK --minutes 40 --processes 2
"""

from __future__ import annotations

from functools import partial

import torch

from backends.f5.config import RATE_HZ
from recipes.common.teacher import Manner, teach, teacher_arguments
from recipes.f5_mini.features import add

MANNER = Manner(RATE_HZ, (0.85, 1.2), deeper=0.5)


def main() -> None:
    """Produce the missing shards, as far as time allows."""
    asked = teacher_arguments(__doc__).parse_args()
    torch.set_num_threads(1)
    teach(asked, MANNER, partial(add, asked.work))


if __name__ == "__main__":
    main()
