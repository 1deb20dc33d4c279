"""Input and output of the sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SampleId = tuple[str, int]
"""Job id and index of the text chunk."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One text chunk to generate after a reference, in the reference's voice.

    :param reference_mel: shape (T, M), float32, on the CPU; T at most ``frames``.
    :param text_ids: symbol ids of the transcript and the chunk together.
    :param frames: length with the reference; raised where the inputs need more.
    :param seed: seed of the noise, which is drawn on the CPU in float32 so that every device gets the same.
    :param observe: called after every evaluation with their number so far and the mel, shape (T, M), on the device.
    """

    id: SampleId
    reference_mel: Tensor
    text_ids: Sequence[int]
    frames: int
    seed: int
    nfe: int = 32
    cfg_strength: float = 2.0
    sway: float = -1.0
    observe: Callable[[int, Tensor], None] | None = None

    def __post_init__(self) -> None:
        min_frames = max(len(self.text_ids), len(self.reference_mel)) + 1  # at least one generated frame
        object.__setattr__(self, "frames", max(self.frames, min_frames))

    @property
    def owner(self) -> str:
        """The job it belongs to."""
        return self.id[0]


@dataclass(frozen=True, slots=True)
class SampleResult:
    """A finished sample.

    :param mel: shape (T, M), float32, with the reference at its start; None if the sample failed.
    :param error: why it failed.
    """

    sample: Sample
    mel: Tensor | None
    error: str = ""
