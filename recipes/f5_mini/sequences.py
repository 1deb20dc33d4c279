"""Training sequences of the flow, laid out as ``backends/f5`` lays out reference and text.

A sequence is one utterance or several in one voice; a part of its frames is to be drawn, the rest is known. Where there
are several, the first is often the prompt and all that follows is to be drawn: that is how the engine asks. Else the
part to be drawn lies anywhere and is most of the sequence. Rows of a batch are of nearly equal length, and silence,
which is part of them, makes them so: the network knows no padding.

Letters: B rows, N frames, L symbols, M mel channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backends.f5.chunking import SHORT_TEXT_BYTES
from backends.f5.config import MELS
from backends.f5.mel import SILENCE
from recipes.f5_mini.features import Utterance
from recipes.f5_mini.spelling import IDS

QUIET = float(np.log(SILENCE))
POOL = 512  # sequences that are sorted by length at a time
KINDS = {1: 0.45, 2: 0.4, 3: 0.1, 40: 0.05}  # how many utterances at most, and how often
PROMPTED = 0.6  # of sequences of several
WIDEST_GAP = 5  # frames of silence between utterances; the engine closes a reference with 50 ms, which are as many
LAST_SILENCE = 30  # frames, behind some sequences
SHORT_SILENCE = (0.5, 2.5)  # of its length, behind a text that the engine gives 3.3 times the usual
PACES_APART = 0.1  # utterances that are drawn together have one pace, so that their lengths can be told


@dataclass(frozen=True, slots=True)
class Part:
    """An utterance in a sequence.

    :param spaces: before it.
    :param first: its first frame that is used, and ``last`` the one behind the last.
    :param gap: frames of silence behind it.
    """

    utterance: Utterance
    spaces: int
    first: int
    last: int
    gap: int

    @property
    def frames(self) -> int:
        """Its length."""
        return self.last - self.first + self.gap


@dataclass(frozen=True, slots=True)
class Plan:
    """A sequence that is not assembled yet, and the span of frames to be generated."""

    parts: tuple[Part, ...]
    span: tuple[int, int]

    @property
    def frames(self) -> int:
        """Its length N."""
        return sum(part.frames for part in self.parts)

    def filled(self, frames: int) -> Plan:
        """The same with silence appended; the span includes it if it reached the end."""
        more = frames - self.frames
        parts = (*self.parts[:-1], replace(self.parts[-1], gap=self.parts[-1].gap + more))
        end = self.span[1] + more * (self.span[1] == self.frames)
        return Plan(parts, (self.span[0], end))


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of the losses.

    :param mels: (B, N, M).
    :param symbols: ids + 1, 0 for the filler, (B, L).
    :param carried: which symbol each frame is given, (B, N).
    :param span: frames that are to be drawn, bool (B, N).
    :param phones: the phone that is spoken in each frame, (B, N).
    :param aims: first of the frames that carry the symbol which is spoken in each frame, and how many, (B, N, 2).
    """

    mels: Tensor
    symbols: Tensor
    carried: Tensor
    span: Tensor
    phones: Tensor
    aims: Tensor

    @property
    def frames(self) -> int:
        """Of all rows."""
        return self.span.numel()

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in Batch.__slots__))


def spread(symbols: int, frames: int) -> np.ndarray:
    """The symbol of each frame, (N,), spread evenly; the last symbols have one frame more.

    Source: ``average_upsample_text_by_mask`` of f5-tts 1.1.22.
    """
    each, more = divmod(frames, symbols)
    repeats = np.full(symbols, each)
    repeats[symbols - more :] += 1
    return np.repeat(np.arange(symbols), repeats)


def row(plan: Plan) -> dict[str, np.ndarray]:
    """Assemble a sequence; the names are those of :class:`Batch`."""
    mels, symbols, phones, places = [], [], [], []
    begin = 0
    for part in plan.parts:
        one = part.utterance
        times = slice(part.first, part.last)
        begin += part.spaces
        mels += [one.mel[times].astype(np.float32), np.full((part.gap, MELS), QUIET, np.float32)]
        symbols += [np.full(part.spaces, IDS[" "]), one.symbols]
        phones += [one.phones[times], np.full(part.gap, one.phones[part.last - 1])]
        places += [one.places[times] + begin, np.full(part.gap, one.places[part.last - 1] + begin)]
        begin += len(one.symbols)
    ids, frames = np.concatenate(symbols).astype(np.int64) + 1, plan.frames
    carried, spoken = spread(len(ids), frames), np.concatenate(places)
    firsts, counts = np.searchsorted(carried, np.arange(len(ids))), np.bincount(carried, minlength=len(ids))
    span = np.zeros(frames, bool)
    span[slice(*plan.span)] = True
    return {
        "mels": np.concatenate(mels),
        "symbols": ids,
        "carried": carried,
        "span": span,
        "phones": np.concatenate(phones).astype(np.int64),
        "aims": np.stack((firsts[spoken], counts[spoken]), -1),
    }


def stack(plans: Sequence[Plan]) -> Batch:
    """Stack sequences into a batch, all as long as the longest."""
    frames = max(plan.frames for plan in plans)
    rows = [row(plan.filled(frames)) for plan in plans]
    longest = max(len(one["symbols"]) for one in rows)
    for one in rows:
        one["symbols"] = np.pad(one["symbols"], (0, longest - len(one["symbols"])))
    return Batch(**{name: torch.from_numpy(np.stack([one[name] for one in rows])) for name in Batch.__slots__})


Place = tuple[int, int]
"""A pool, and the number of its batches that were yielded."""


class Sequences:
    """Endless batches of a number of frames, deterministic for a seed and the utterances.

    :param longest: frames of a sequence.
    :param frames: of a batch.
    :param more: utterances that have arrived since it was called last; asked for each pool.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        *,
        seed: int,
        longest: int,
        frames: int,
        more: Callable[[], Sequence[Utterance]] = list,
    ):
        self._seed, self._longest, self._frames, self._more = seed, longest, frames, more
        self._voices: dict[bool, list[Utterance]] = {}
        self._paces: dict[tuple[bool, int], list[Utterance]] = {}
        self._add(utterances)

    @property
    def size(self) -> int:
        """Utterances so far."""
        return sum(map(len, self._voices.values()))

    def _add(self, utterances: Sequence[Utterance]) -> None:
        for one in utterances:
            if len(one.mel) <= self._longest:
                self._voices.setdefault(one.deeper, []).append(one)
                self._paces.setdefault(_pace(one), []).append(one)

    def after(self, place: Place) -> Iterator[tuple[Place, Batch]]:
        """Batches from a place on, each with the place after it."""
        pool, given = place
        while True:
            for plans in self.pool(pool)[given:]:
                given += 1
                yield (pool, given), stack(plans)
            pool, given = pool + 1, 0

    def pool(self, number: int) -> list[list[Plan]]:
        """The batches of a pool."""
        self._add(self._more())
        rng = np.random.default_rng((self._seed, number))
        batches: list[list[Plan]] = [[]]
        for plan in sorted((self._draw(rng) for _ in range(POOL)), key=lambda plan: plan.frames):
            if batches[-1] and (len(batches[-1]) + 1) * plan.frames > self._frames:
                batches.append([])
            batches[-1].append(plan)
        return [batches[index] for index in rng.permutation(len(batches))]

    def _draw(self, rng: np.random.Generator) -> Plan:
        voices = list(self._voices)
        sizes = np.array([len(self._voices[voice]) for voice in voices])
        first = _one(rng, self._voices[voices[rng.choice(len(voices), p=sizes / sizes.sum())]])
        wanted, room = int(rng.choice(list(KINDS), p=list(KINDS.values()))), self._longest - len(first.mel)
        chosen = [first]
        prompted = wanted > 1 and rng.random() < PROMPTED
        second = _one(rng, self._voices[first.deeper]) if prompted else first  # a prompt may have another pace
        while len(chosen) < wanted:
            one = _one(rng, self._paces[_pace(second)])
            if (room := room - len(one.mel) - WIDEST_GAP) < 0:
                break
            chosen.append(one)
        return arrange(chosen, rng, prompted=prompted and len(chosen) > 1)


def arrange(utterances: Sequence[Utterance], rng: np.random.Generator, *, prompted: bool) -> Plan:
    """Arrange utterances as a sequence: the silence between them, and the span to be generated.

    :param prompted: the first is known and all others are to be drawn.
    """
    parts = []
    for index, one in enumerate(utterances):
        first, behind = (int(rng.integers(quiet + 1)) for quiet in one.quiet)
        spaces = 0 if index == 0 else 2 if prompted and index == 1 else int(rng.integers(1, 3))
        gap = int(rng.integers(WIDEST_GAP + 1))
        if index == len(utterances) - 1:
            gap = _last_silence(one, rng)
        parts.append(Part(one, spaces, first, len(one.mel) - behind, gap))
    plan = Plan(tuple(parts), (0, 0))
    if prompted:
        return replace(plan, span=(parts[0].frames, plan.frames))
    size = int(rng.uniform(0.7, 1.0) * plan.frames)
    start = int(rng.integers(plan.frames - size + 1))
    return replace(plan, span=(start, start + size))


def _last_silence(one: Utterance, rng: np.random.Generator) -> int:
    if len(one.symbols) < SHORT_TEXT_BYTES and rng.random() < 0.5:
        return int(rng.uniform(*SHORT_SILENCE) * len(one.mel))
    return int(rng.integers(LAST_SILENCE)) if rng.random() < 0.15 else 0


def _pace(one: Utterance) -> tuple[bool, int]:
    return one.deeper, round(one.speed / PACES_APART)


def _one(rng: np.random.Generator, utterances: Sequence[Utterance]) -> Utterance:
    return utterances[int(rng.integers(len(utterances)))]
