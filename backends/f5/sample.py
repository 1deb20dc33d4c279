"""What the sampler is given and what it gives back.

Letters: n frames, M mel channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One piece of speech to make, in the voice of a reference that stands before it.

    :param owner: the job it belongs to; jobs take turns.
    :param reference: mel, shape (at most n, M), float32, on the CPU.
    :param symbols: ids of the reference's text and the piece's together.
    :param frames: n, reference included; raised to what the inputs need at least.
    :param seed: of the noise, which is drawn on the CPU in float32: the same on every device.
    """

    id: str
    owner: str
    reference: Tensor
    symbols: Sequence[int]
    frames: int
    seed: int
    nfe: int = 32
    cfg_strength: float = 2.0
    sway: float = -1.0

    def __post_init__(self) -> None:
        least = max(len(self.symbols), len(self.reference)) + 1  # so that something is generated
        object.__setattr__(self, "frames", max(self.frames, least))


@dataclass(frozen=True, slots=True)
class Made:
    """A sample that has ended.

    :param mel: shape (n, M), float32, the reference at its beginning; None when it failed, for ``reason``.
    """

    sample: Sample
    mel: Tensor | None
    reason: str = ""
