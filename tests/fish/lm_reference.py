"""The sampler of Fish-Speech v0.2.0 once more, one id at a time and with nothing in common with the engine's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from backends.fish.generation import Sampling

WINDOW = 16


def softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def distribution(logits: Tensor, sampling: Sampling, window: Iterable[int] = ()) -> list[float]:
    """The probabilities of one head, logits of shape (I,); ``window``: ids the penalty is for."""
    scores = [float(value) for value in logits]
    for code in set(window):
        scores[code] *= sampling.repetition_penalty if scores[code] < 0 else 1 / sampling.repetition_penalty
    order = sorted(range(len(scores)), key=lambda code: -scores[code])
    if sampling.top_p < 1:
        likely, reached = softmax(scores), 0.0
        for rank, code in enumerate(order):
            reached += likely[code]
            if reached > sampling.top_p and rank:
                scores[code] = -math.inf
    scores = [score / max(sampling.temperature, 1e-5) for score in scores]
    if sampling.top_k:
        pivot = sorted(scores, reverse=True)[min(sampling.top_k, len(scores)) - 1]
        scores = [score if score >= pivot else -math.inf for score in scores]
    return softmax(scores)


def race(likely: Sequence[float], noise: Tensor) -> int:
    times = [p / float(q) for p, q in zip(likely, noise, strict=True)]
    return times.index(max(times))


def place(likely: Sequence[float], uniform: float) -> int:
    """The id in whose stretch of the unit interval a number lies."""
    reached, wanted = 0.0, uniform * sum(likely)
    for code, p in enumerate(likely):
        reached += p
        if reached >= wanted:
            return code
    raise AssertionError("a number beyond the interval")


class Heads:
    """The masks, and the penalty's memory, of one sequence.

    :param codes: logits of the codebooks, (n, C), at each call.
    """

    def __init__(self, sampling: Sampling, known: int | None = None):
        self.sampling, self.known = sampling, known
        self.frames: list[list[int]] = []  # those that came from decoding

    def distributions(self, codes: Tensor, *, first: bool) -> list[list[float]]:
        codes = codes.clone()
        codes[:, : 2 if first else 1] = -torch.inf
        if self.known is not None:
            codes[:, 2 + self.known :] = -torch.inf
        windows = [[] if first else [frame[i] for frame in self.frames[-WINDOW:]] for i in range(len(codes))]
        return [distribution(row, self.sampling, window) for row, window in zip(codes, windows, strict=True)]

    def remember(self, frame: Sequence[int]) -> None:
        """What was drawn by decoding, codes only."""
        self.frames.append(list(frame))
