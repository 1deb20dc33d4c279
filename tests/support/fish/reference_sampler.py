"""A second implementation of Fish-Speech v0.2.0's sampler, one ID at a time, independent of the engine's."""

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
    """Return the probabilities of one head.

    :param logits: (IDs,).
    :param window: IDs to penalize.
    """
    scores = logits.tolist()
    for code in set(window):
        scores[code] *= sampling.repetition_penalty if scores[code] < 0 else 1 / sampling.repetition_penalty
    order = sorted(range(len(scores)), key=lambda code: -scores[code])
    if sampling.top_p < 1:
        probs, cumulative = softmax(scores), 0.0
        for rank, code in enumerate(order):
            cumulative += probs[code]
            if cumulative > sampling.top_p and rank:
                scores[code] = -math.inf
    scores = [score / max(sampling.temperature, 1e-5) for score in scores]
    if sampling.top_k:
        pivot = sorted(scores, reverse=True)[min(sampling.top_k, len(scores)) - 1]
        scores = [score if score >= pivot else -math.inf for score in scores]
    return softmax(scores)


def race(probs: Sequence[float], noise: Tensor) -> int:
    scores = [p / q for p, q in zip(probs, noise.tolist(), strict=True)]
    return scores.index(max(scores))


def inverse_transform(probs: Sequence[float], uniform: float) -> int:
    """Return the ID whose part of the cumulative distribution contains ``uniform``."""
    cumulative, threshold = 0.0, uniform * sum(probs)
    for code, p in enumerate(probs):
        cumulative += p
        if cumulative >= threshold:
            return code
    raise AssertionError(f"{uniform} is outside of the unit interval")


class Heads:
    """Masks and penalty window of one sequence.

    :param known: number of codes that the codec has; None: no limit.
    """

    def __init__(self, sampling: Sampling, known: int | None = None):
        self.sampling, self.known = sampling, known
        self.frames: list[list[int]] = []  # without the first one

    def distributions(self, codes: Tensor, *, first: bool) -> list[list[float]]:
        """Return the probabilities of each codebook from logits (K, codebook_size)."""
        codes = codes.clone()
        codes[:, : 2 if first else 1] = -torch.inf
        if self.known is not None:
            codes[:, 2 + self.known :] = -torch.inf
        windows = [[] if first else [frame[i] for frame in self.frames[-WINDOW:]] for i in range(len(codes))]
        return [distribution(row, self.sampling, window) for row, window in zip(codes, windows, strict=True)]

    def remember(self, frame: Sequence[int]) -> None:
        """Add a frame's code IDs to the penalty window."""
        self.frames.append(list(frame))
