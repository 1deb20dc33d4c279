"""Codebooks trained by exponential moving averages, as in vector-quantize-pytorch for v0.2.0.

T is in code frames, D is the width of one codebook, S its size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backends.fish.v0_2.codec.quantizer import Codebook, nearest

KMEANS_FEATURES = 20_000  # most features for k-means
DECAY = 0.98  # of the moving average
LEAST = 0.03  # a code with fewer features than this part of an even share is replaced by a random feature


class TrainedCodebook(Codebook):
    """A codebook with its training state, under the official names."""

    def __init__(self, size: int, width: int):
        super().__init__(size, width)
        self.register_buffer("embed_avg", torch.zeros(1, size, width))
        self.register_buffer("cluster_size", torch.zeros(1, size))
        self.register_buffer("initted", torch.ones(1))  # read by the classic code only
        self.embed_avg: Tensor
        self.cluster_size: Tensor

    @torch.no_grad()
    def quantize(self, x: Tensor) -> Tensor:
        """Return the vectors nearest to (B, T, D) without a gradient; in training mode also update the codebook."""
        codes = nearest(x, self.embed)
        if self.training:
            self._update(x.flatten(0, 1), codes.flatten())
        return self(codes)

    @torch.no_grad()
    def start(self, x: Tensor, rounds: int = 20) -> None:
        """Initialize by k-means over features (B, T, D)."""
        features = x.flatten(0, 1)
        share = len(features) / self.embed.shape[1]
        features = features[torch.randperm(len(features))[:KMEANS_FEATURES]]
        book = self.embed[0]
        book.copy_(features[: len(book)])
        for _ in range(rounds):
            counts, sums = self._sums(features, nearest(features, book))
            book.copy_(torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], book))
        self.cluster_size.fill_(share)
        self.embed_avg.copy_(self.embed * share)

    def _sums(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number of features (B * T, D) of each code, (S,), and their sums, (S, D)."""
        counts = torch.bincount(codes, minlength=self.embed.shape[1]).to(features.dtype)
        return counts, torch.zeros_like(self.embed[0]).index_add_(0, codes, features)

    def _update(self, features: Tensor, codes: Tensor) -> None:
        counts, sums = self._sums(features, codes)
        size, average, book = self.cluster_size[0], self.embed_avg[0], self.embed[0]
        size.lerp_(counts, 1 - DECAY)
        average.lerp_(sums, 1 - DECAY)
        book.copy_(average / size.clamp(min=1e-3)[:, None])
        share = len(features) / len(book)
        for code in (size < LEAST * share).nonzero().flatten().tolist():
            chosen = features[int(torch.randint(len(features), ()))]
            book[code] = chosen
            size[code] = share * 0.2
            average[code] = chosen * share * 0.2
