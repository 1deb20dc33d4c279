"""Training sequences of the language model, laid out as ``backends/fish/v0_2/text/prompt.py`` lays out prompts.

A sequence is one utterance or several: all their text, then all their codes. A reference has the same layout: its
transcript and codes come before those of the new text. In some sequences the first utterance has an altered voice and
no loss, so that the model also continues from codes of voices it was not trained on.

T is in columns of the prompt, unless stated otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backends.fish.v0_2.config import CODE_OFFSET, CODEBOOKS, FRAME_SAMPLES, RATE_HZ
from recipes.common.sound import open_shard
from recipes.common.workspace import CODES
from recipes.fish_mini.lm import IGNORED
from recipes.fish_mini.vocabulary import CLOSE_ID, END_ID, PAD_ID, text_ids

END_CODE = 1
ALTERED = "altered"
FRAME_S = FRAME_SAMPLES / RATE_HZ


@dataclass(frozen=True, slots=True)
class Utterance:
    """An utterance of the corpus.

    :param text: ids without the prompt's marks.
    :param codes: (K, T), T in code frames.
    :param phone_indices: the phone spoken in each frame.
    :param has_loss: False for an altered voice.
    """

    text: np.ndarray
    codes: np.ndarray
    phone_indices: np.ndarray
    has_loss: bool = True

    @property
    def size(self) -> int:
        """Number of columns."""
        return len(self.text) + int(self.codes.shape[1])


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of ``lm.losses``, and the number of columns with a loss."""

    ids: Tensor
    text: Tensor
    codes: Tensor
    phone_columns: Tensor
    frames: int

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        tensors = (
            getattr(self, name).to(device, non_blocking=True) for name in ("ids", "text", "codes", "phone_columns")
        )
        return Batch(*tensors, self.frames)


def read(work: Path, name: str) -> list[Utterance]:
    """Read the utterances of an encoded shard; an altered shard uses the texts of its original."""
    with np.load(work / CODES / f"{name}.npz") as file:
        codes, sizes = file["codes"], file["sizes"]
        rates = file["rates"] if "rates" in file else np.ones(len(sizes))
    found, at = [], 0
    shard = open_shard(work, name.removeprefix(f"{ALTERED}_"))
    for about, size, pace in zip(shard.utterances, sizes, rates, strict=False):
        ids = np.asarray(text_ids(about["phones"].split())[2:-1], np.int16)
        middles = (np.arange(size) + 0.5) * FRAME_S * pace
        phone_indices = np.searchsorted(np.asarray(about["ends"]), middles).clip(max=len(ids) - 1)
        has_loss = not name.startswith(ALTERED)
        found.append(Utterance(ids, codes[:, at : at + size], phone_indices.astype(np.int16), has_loss))
        at += int(size)
    return found


def build_sequence(
    utterances: list[Utterance], rng: np.random.Generator | None = None, noise: float = 0.0
) -> dict[str, np.ndarray]:
    """Build one sequence: ids (T, 1 + K), and the targets of each column.

    :param noise: share of the input codes that are replaced by random ones.
    """
    text = np.concatenate([part.text for part in utterances])
    codes = np.concatenate([part.codes for part in utterances], axis=1).astype(np.int64) + CODE_OFFSET
    begins = np.cumsum([0, *(len(part.text) for part in utterances)])[:-1] + 2
    phone_columns = np.concatenate([part.phone_indices + begin for part, begin in zip(utterances, begins, strict=True)])
    skipped = sum(part.codes.shape[1] for part in utterances if not part.has_loss)
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
    next_columns = np.full(len(ids), IGNORED, np.int64)
    next_columns[head - 1 : -1] = phone_columns
    return {"ids": ids, "text": follows, "codes": next_codes, "phone_columns": next_columns}


def stack(sequences: list[dict[str, np.ndarray]]) -> Batch:
    """Stack sequences into a batch, padded at the end."""
    longest = max(len(sequence["ids"]) for sequence in sequences)
    filled: dict[str, Tensor] = {}
    for name, fill in {"ids": 0, "text": IGNORED, "codes": IGNORED, "phone_columns": IGNORED}.items():
        shape = (len(sequences), longest, *sequences[0][name].shape[1:])
        values = np.full(shape, fill, np.int64)
        for row, sequence in zip(values, sequences, strict=True):
            row[: len(sequence[name])] = sequence[name]
        filled[name] = torch.from_numpy(values)
    return Batch(**filled, frames=int((filled["text"] != IGNORED).sum()))


class Sequences:
    """Endless batches, grouped by length.

    :param utterances: altered ones included.
    :param more: returns utterances that arrived since the last call.
    :param most: most columns of a sequence.
    :param columns: most columns of a batch, padding included.
    :param noise: share of random input codes.
    :param altered_share: share of the sequences that start with an altered utterance.
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
        altered_share: float = 0.06,
    ):
        self._utterances: list[Utterance] = []
        self._altered: list[Utterance] = []
        self._add(utterances)
        self._more = more
        self._rng = np.random.default_rng(seed)
        self._most, self._columns, self._noise, self._altered_share = most, columns, noise, altered_share

    @property
    def size(self) -> int:
        """Number of utterances so far, without altered ones."""
        return len(self._utterances)

    def _add(self, utterances: list[Utterance]) -> None:
        for one in utterances:
            (self._utterances if one.has_loss else self._altered).append(one)

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
                yield stack([build_sequence(parts, self._rng, self._noise) for parts in batches[index]])

    def _draw(self) -> list[Utterance]:
        """Draw the utterances of one sequence."""
        wanted = int(self._rng.choice((1, 2, 3, 20), p=(0.5, 0.25, 0.15, 0.1)))
        parts: list[Utterance] = []
        if self._altered and self._rng.random() < self._altered_share:
            parts, wanted = [self._one(self._altered)], max(2, wanted)
        while len(parts) < wanted:
            part = self._one(self._utterances)
            if parts and sum(other.size for other in parts) + part.size > self._most:
                break
            parts.append(part)
        return parts

    def _one(self, utterances: list[Utterance]) -> Utterance:
        return utterances[int(self._rng.integers(len(utterances)))]
