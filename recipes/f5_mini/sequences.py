"""Training sequences of the flow, laid out as ``backends/f5`` lays out reference and text.

A sequence has one or several utterances in one voice. A span of its frames is generated; the rest is given. With
several utterances the first is often the prompt and all others are generated, as in the engine; otherwise the span has
a random position and covers most of the sequence. The network has no padding: rows of a batch have similar lengths, and
silence fills the difference.

T is in mel frames; L is the number of symbols.
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
POOL = 512  # sequences that are sorted by length together
UTTERANCE_COUNTS = {1: 0.45, 2: 0.4, 3: 0.1, 40: 0.05}  # largest number of utterances: probability
PROMPTED = 0.6  # share of the sequences of several utterances that have a prompt
WIDEST_GAP = 5  # frames of silence between utterances; as many as the 50 ms with which the engine ends a reference
LAST_SILENCE = 30  # frames, after some sequences
SHORT_SILENCE = (0.5, 2.5)  # share of a short utterance's length: the engine allows it 3.3 times the usual duration
PACE_STEP = 0.1  # utterances of a sequence share a pace, so that their lengths are predictable


@dataclass(frozen=True, slots=True)
class Part:
    """An utterance in a sequence.

    :param spaces: spaces before the utterance.
    :param first: first frame that is used.
    :param last: end of the frames that are used, exclusive.
    :param gap: frames of silence after it.
    """

    utterance: Utterance
    spaces: int
    first: int
    last: int
    gap: int

    @property
    def frames(self) -> int:
        """Length in frames."""
        return self.last - self.first + self.gap


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan of a sequence: its parts and the span of frames to generate."""

    parts: tuple[Part, ...]
    span: tuple[int, int]

    @property
    def frames(self) -> int:
        """Length T."""
        return sum(part.frames for part in self.parts)

    def padded_to(self, frames: int) -> Plan:
        """Append silence; a span that reaches the end includes it."""
        more = frames - self.frames
        parts = (*self.parts[:-1], replace(self.parts[-1], gap=self.parts[-1].gap + more))
        end = self.span[1] + more * (self.span[1] == self.frames)
        return Plan(parts, (self.span[0], end))


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of the losses.

    :param mels: (B, T, M).
    :param symbols: ids + 1, 0 for the filler, (B, L).
    :param frame_symbols: index of the symbol assigned to each frame, (B, T).
    :param span: frames to generate, bool (B, T).
    :param phones: the phone spoken in each frame, (B, T).
    :param guide_spans: for each frame, the frames assigned to its spoken symbol: first one and count, (B, T, 2).
    """

    mels: Tensor
    symbols: Tensor
    frame_symbols: Tensor
    span: Tensor
    phones: Tensor
    guide_spans: Tensor

    @property
    def frames(self) -> int:
        """Frames of all rows."""
        return self.span.numel()

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in Batch.__slots__))


def upsample_indices(symbols: int, frames: int) -> np.ndarray:
    """Assign frames to symbols evenly, (T,); the last symbols have one frame more.

    Source: ``average_upsample_text_by_mask`` of f5-tts 1.1.22.
    """
    each, more = divmod(frames, symbols)
    repeats = np.full(symbols, each)
    repeats[symbols - more :] += 1
    return np.repeat(np.arange(symbols), repeats)


def build_row(plan: Plan) -> dict[str, np.ndarray]:
    """Assemble a sequence; keys are the fields of :class:`Batch`."""
    mels, symbols, phones, spoken_symbols = [], [], [], []
    begin = 0
    for part in plan.parts:
        one = part.utterance
        times = slice(part.first, part.last)
        begin += part.spaces
        mels += [one.mel[times].astype(np.float32), np.full((part.gap, MELS), QUIET, np.float32)]
        symbols += [np.full(part.spaces, IDS[" "]), one.symbols]
        phones += [one.phones[times], np.full(part.gap, one.phones[part.last - 1])]
        spoken_symbols += [
            one.symbol_indices[times] + begin,
            np.full(part.gap, one.symbol_indices[part.last - 1] + begin),
        ]
        begin += len(one.symbols)
    ids, frames = np.concatenate(symbols).astype(np.int64) + 1, plan.frames
    frame_symbols, spoken = upsample_indices(len(ids), frames), np.concatenate(spoken_symbols)
    firsts, counts = np.searchsorted(frame_symbols, np.arange(len(ids))), np.bincount(frame_symbols, minlength=len(ids))
    span = np.zeros(frames, bool)
    span[slice(*plan.span)] = True
    return {
        "mels": np.concatenate(mels),
        "symbols": ids,
        "frame_symbols": frame_symbols,
        "span": span,
        "phones": np.concatenate(phones).astype(np.int64),
        "guide_spans": np.stack((firsts[spoken], counts[spoken]), -1),
    }


def stack(plans: Sequence[Plan]) -> Batch:
    """Stack sequences into a batch, each filled to the longest."""
    frames = max(plan.frames for plan in plans)
    rows = [build_row(plan.padded_to(frames)) for plan in plans]
    longest = max(len(one["symbols"]) for one in rows)
    for one in rows:
        one["symbols"] = np.pad(one["symbols"], (0, longest - len(one["symbols"])))
    return Batch(**{name: torch.from_numpy(np.stack([one[name] for one in rows])) for name in Batch.__slots__})


Position = tuple[int, int]
"""Pool number, and number of its batches that were yielded."""


class Sequences:
    """Endless batches, deterministic for a seed and the utterances.

    :param longest: most frames of a sequence.
    :param frames: most frames of a batch.
    :param more: returns utterances that arrived since the last call; called for each pool.
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
        """Number of utterances so far."""
        return sum(map(len, self._voices.values()))

    def _add(self, utterances: Sequence[Utterance]) -> None:
        for one in utterances:
            if len(one.mel) <= self._longest:
                self._voices.setdefault(one.deeper, []).append(one)
                self._paces.setdefault(_pace(one), []).append(one)

    def after(self, position: Position) -> Iterator[tuple[Position, Batch]]:
        """Yield batches from a position on, each with the position after it."""
        pool, given = position
        while True:
            for plans in self.pool(pool)[given:]:
                given += 1
                yield (pool, given), stack(plans)
            pool, given = pool + 1, 0

    def pool(self, number: int) -> list[list[Plan]]:
        """Return the batches of a pool."""
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
        wanted, room = (
            int(rng.choice(list(UTTERANCE_COUNTS), p=list(UTTERANCE_COUNTS.values()))),
            self._longest - len(first.mel),
        )
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
    """Plan a sequence: silence between utterances, and the span to generate.

    :param prompted: the first utterance is given and all others are generated.
    """
    parts = []
    for index, one in enumerate(utterances):
        first, trimmed = (int(rng.integers(quiet + 1)) for quiet in one.quiet)
        spaces = 0 if index == 0 else 2 if prompted and index == 1 else int(rng.integers(1, 3))
        gap = int(rng.integers(WIDEST_GAP + 1))
        if index == len(utterances) - 1:
            gap = _last_silence(one, rng)
        parts.append(Part(one, spaces, first, len(one.mel) - trimmed, gap))
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
    return one.deeper, round(one.speed / PACE_STEP)


def _one(rng: np.random.Generator, utterances: Sequence[Utterance]) -> Utterance:
    return utterances[int(rng.integers(len(utterances)))]
