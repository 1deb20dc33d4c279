"""Stages 2 and 3 together: speech, and the features of each shard as soon as it is spoken.

Training can run at the same time; it reads new shards as they appear.

    python -m recipes.f5_mini.produce --work WORK --minutes 40 --processes 2
"""

from __future__ import annotations

from functools import partial

import torch

from backends.f5.config import RATE_HZ
from recipes.common.teacher import SpeakingStyle, speak_shards, teacher_arguments
from recipes.f5_mini.features import add

STYLE = SpeakingStyle(RATE_HZ, (0.85, 1.2), deeper=0.5)


def main() -> None:
    """Produce missing shards until the time is up."""
    args = teacher_arguments(__doc__).parse_args()
    torch.set_num_threads(1)
    speak_shards(args, STYLE, partial(add, args.work))


if __name__ == "__main__":
    main()
