"""Training sequences of the language model, laid out as ``backends/fish/v0_2/text/prompt.py`` lays out prompts.

A sequence is one utterance or several on end: all their text, then all their codes. That is also how a reference is
given, whose transcript and codes stand before what is to be spoken. In some, the first utterance is in an altered voice
and not learnt, so that a stranger's codes do not derail the model.

Letters: B rows, S columns, n codebooks, T code frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backends.fish.v0_2.config import CODE_OFFSET, CODEBOOKS, FRAME_SAMPLES, RATE_HZ
from recipes.common.places import CODES
from recipes.common.sound import open_shard
from recipes.fish_mini.lm import IGNORED
from recipes.fish_mini.vocabulary import CLOSE_ID, END_ID, PAD_ID, text_ids

END_CODE = 1
ALTERED = "altered"
FRAME_S = FRAME_SAMPLES / RATE_HZ


@dataclass(frozen=True, slots=True)
class Utterance:
    """Text ids without the prompt's marks, codes (n, T), and for each frame the index of the phone that is spoken."""

    text: np.ndarray
    codes: np.ndarray
    places: np.ndarray
    learnt: bool = True

    @property
    def size(self) -> int:
        """Columns it takes."""
        return len(self.text) + int(self.codes.shape[1])


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of ``lm.losses``, and the number of frames with a loss."""

    ids: Tensor
    text: Tensor
    codes: Tensor
    places: Tensor
    frames: int

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        tensors = (getattr(self, name).to(device, non_blocking=True) for name in ("ids", "text", "codes", "places"))
        return Batch(*tensors, self.frames)


def read(work: Path, name: str) -> list[Utterance]:
    """The utterances of an encoded shard; an altered one has the texts of its original."""
    with np.load(work / CODES / f"{name}.npz") as file:
        codes, sizes = file["codes"], file["sizes"]
        rates = file["rates"] if "rates" in file else np.ones(len(sizes))
    found, at = [], 0
    shard = open_shard(work, name.removeprefix(f"{ALTERED}_"))
    for about, size, pace in zip(shard.utterances, sizes, rates, strict=False):
        ids = np.asarray(text_ids(about["phones"].split())[2:-1], np.int16)
        middles = (np.arange(size) + 0.5) * FRAME_S * pace
        places = np.searchsorted(np.asarray(about["ends"]), middles).clip(max=len(ids) - 1)
        learnt = not name.startswith(ALTERED)
        found.append(Utterance(ids, codes[:, at : at + size], places.astype(np.int16), learnt))
        at += int(size)
    return found


def joined(
    utterances: list[Utterance], rng: np.random.Generator | None = None, noise: float = 0.0
) -> dict[str, np.ndarray]:
    """One sequence: ids (S, 1 + n), and what follows each column.

    :param noise: part of the codes that are read wrongly, each by itself.
    """
    text = np.concatenate([part.text for part in utterances])
    codes = np.concatenate([part.codes for part in utterances], axis=1).astype(np.int64) + CODE_OFFSET
    begins = np.cumsum([0, *(len(part.text) for part in utterances)])[:-1] + 2
    places = np.concatenate([part.places + begin for part, begin in zip(utterances, begins, strict=True)])
    skipped = sum(part.codes.shape[1] for part in utterances if not part.learnt)
    head, frames = len(text) + 3, codes.shape[1]
    ids = np.zeros((head + frames, 1 + CODEBOOKS), np.int64)
    ids[:head, 0] = [*text_ids([])[:2], *text, CLOSE_ID]
    ids[head:, 0] = PAD_ID
    ids[head:, 1:] = codes.T
    if rng is not None and noise:
        wrong = rng.random(ids[head:, 1:].shape) < noise
        ids[head:, 1:][wrong] = rng.integers(CODE_OFFSET, CODE_OFFSET + 160, int(wrong.sum()))
    follows = np.full(len(ids), IGNORED, np.int64)
    follows[head - 1 + skipped : -1], follows[-1] = PAD_ID, END_ID
    next_codes = np.full((len(ids), CODEBOOKS), IGNORED, np.int64)
    next_codes[head - 1 : -1], next_codes[-1] = codes.T, END_CODE
    next_places = np.full(len(ids), IGNORED, np.int64)
    next_places[head - 1 : -1] = places
    return {"ids": ids, "text": follows, "codes": next_codes, "places": next_places}


def stack(sequences: list[dict[str, np.ndarray]]) -> Batch:
    """Stack sequences into a batch, padded at the end."""
    longest = max(len(sequence["ids"]) for sequence in sequences)
    filled: dict[str, Tensor] = {}
    for name, fill in {"ids": 0, "text": IGNORED, "codes": IGNORED, "places": IGNORED}.items():
        shape = (len(sequences), longest, *sequences[0][name].shape[1:])
        values = np.full(shape, fill, np.int64)
        for row, sequence in zip(values, sequences, strict=True):
            row[: len(sequence[name])] = sequence[name]
        filled[name] = torch.from_numpy(values)
    return Batch(**filled, frames=int((filled["text"] != IGNORED).sum()))


class Sequences:
    """Endless batches of a number of columns, grouped by length.

    :param utterances: altered ones among them.
    :param most: columns of a sequence.
    :param columns: of a batch, filling included.
    :param more: utterances that have arrived since it was called last.
    """

    def __init__(
        self,
        utterances: list[Utterance],
        *,
        seed: int,
        more: Callable[[], list[Utterance]] = list,
        most: int = 900,
        columns: int = 6144,
        noise: float = 0.03,
        strangers: float = 0.06,
    ):
        self._utterances: list[Utterance] = []
        self._altered: list[Utterance] = []
        self._add(utterances)
        self._more = more
        self._rng = np.random.default_rng(seed)
        self._most, self._columns, self._noise, self._strangers = most, columns, noise, strangers

    @property
    def size(self) -> int:
        """Utterances so far, without altered ones."""
        return len(self._utterances)

    def _add(self, utterances: list[Utterance]) -> None:
        for one in utterances:
            (self._utterances if one.learnt else self._altered).append(one)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            self._add(self._more())
            pool = sorted((self._draw() for _ in range(400)), key=lambda parts: sum(part.size for part in parts))
            batches: list[list[list[Utterance]]] = [[]]
            for parts in pool:
                longest = sum(part.size for part in parts) + 3
                if (len(batches[-1]) + 1) * longest > self._columns and batches[-1]:
                    batches.append([])
                batches[-1].append(parts)
            for index in self._rng.permutation(len(batches)):
                yield stack([joined(parts, self._rng, self._noise) for parts in batches[index]])

    def _draw(self) -> list[Utterance]:
        """The utterances of one sequence: one for half of them, as many as fit for a tenth."""
        wanted = int(self._rng.choice((1, 2, 3, 20), p=(0.5, 0.25, 0.15, 0.1)))
        parts: list[Utterance] = []
        if self._altered and self._rng.random() < self._strangers:
            parts, wanted = [self._one(self._altered)], max(2, wanted)
        while len(parts) < wanted:
            part = self._one(self._utterances)
            if parts and sum(other.size for other in parts) + part.size > self._most:
                break
            parts.append(part)
        return parts

    def _one(self, utterances: list[Utterance]) -> Utterance:
        return utterances[int(self._rng.integers(len(utterances)))]
