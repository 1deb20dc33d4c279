"""Traces of the mel while the flow is integrated, reduced to pictures of a bounded size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from backends.base import Trace
from backends.f5.config import HOP_SAMPLES, RATE_HZ

if TYPE_CHECKING:
    from torch import Tensor

PICTURES = 8  # per sample; the last one is the result
ROWS = 50
MAX_COLUMNS = 256
LOWEST, HIGHEST = -8.0, 4.0  # of the log-mel in the picture: most of speech, and of the noise that it starts from


def mel_observer(
    job_id: str, span: tuple[int, int], reference_frames: int, nfe: int, emit: Callable[[Trace], None]
) -> Callable[[int, Tensor], None]:
    """Return a callback for :class:`backends.f5.sample.Sample` that emits traces of a text chunk.

    :param reference_frames: frames at the start of the mel that are not part of the chunk's audio.
    """
    steps = {max(1, round(nfe * picture / PICTURES)) for picture in range(1, PICTURES + 1)}

    def observe(step: int, mel: Tensor) -> None:
        if step in steps:
            frames = mel[reference_frames:].float().cpu().numpy()  # (T, M)
            picture = _picture(frames)
            seconds = len(frames) * HOP_SAMPLES / RATE_HZ
            emit(Trace(job_id, "mel", picture, span, step, picture.shape[1] / seconds))

    return observe


def _picture(mel: np.ndarray) -> np.ndarray:
    """Average a log-mel, shape (T, M), to (ROWS, at most MAX_COLUMNS), as uint8."""
    columns = min(len(mel), MAX_COLUMNS)
    reduced = _averages(_averages(mel, columns).T, ROWS)
    scaled = (np.nan_to_num(reduced) - LOWEST) * (255 / (HIGHEST - LOWEST))
    picture: np.ndarray = scaled.clip(0, 255).astype(np.uint8)
    return picture


def _averages(values: np.ndarray, groups: int) -> np.ndarray:
    """Average the rows in consecutive groups of about equal size."""
    starts = np.arange(groups) * len(values) // groups
    counts = np.diff(np.append(starts, len(values)))
    averages: np.ndarray = np.add.reduceat(values, starts, axis=0) / counts[:, None]
    return averages
