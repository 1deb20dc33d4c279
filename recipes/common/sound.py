"""Shards: the teacher's sound on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recipes.common.workspace import HELD_OUT_SHARD, SOUND

SCALE = 1 / 32767


@dataclass(frozen=True, slots=True)
class Shard:
    """Concatenated utterances."""

    name: str
    samples: np.ndarray
    utterances: list[dict[str, Any]]

    def each(self) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yield each utterance's description and its samples, float32 (N,)."""
        at = 0
        for about in self.utterances:
            yield about, self.samples[at : at + about["samples"]].astype(np.float32) * SCALE
            at += about["samples"]


def open_shard(work: Path, name: str) -> Shard:
    """Open a shard; its sound stays on disk."""
    folder = work / SOUND
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return Shard(name, np.memmap(folder / f"{name}.i16", np.int16, "r"), [json.loads(line) for line in lines])


def shard_names(work: Path) -> list[str]:
    """Names of the training shards."""
    return sorted(path.stem for path in (work / SOUND).glob("*.jsonl") if path.stem != HELD_OUT_SHARD)


class Crops:
    """Random crops of all sound, regardless of utterances."""

    def __init__(self, work: Path, names: list[str], seed: int):
        folder = work / SOUND
        self._sounds = [np.memmap(folder / f"{name}.i16", np.int16, "r") for name in names]
        sizes = np.array([len(sound) for sound in self._sounds], np.float64)
        self._parts = sizes / sizes.sum()
        self._rng = np.random.default_rng(seed)

    def __call__(self, rows: int, samples: int) -> Tensor:
        """Draw crops, float32 (B, N)."""
        crops = np.empty((rows, samples), np.float32)
        for row, which in enumerate(self._rng.choice(len(self._sounds), rows, p=self._parts)):
            start = int(self._rng.integers(len(self._sounds[which]) - samples))
            crops[row] = self._sounds[which][start : start + samples]
        return torch.from_numpy(crops * SCALE)
