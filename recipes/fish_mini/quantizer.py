"""Codebooks trained by exponential moving averages, as in vector-quantize-pytorch for v0.2.0.

T is in code frames, D is the width of one codebook, S its size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KMEANS_FEATURES = 20_000  # most features for k-means


class GroupedCodebooks(nn.Module):
    """K codebooks, each for D of the K * D channels.

    :param decay: decay of the moving average.
    :param least: a code with fewer features than this part of an even share is replaced by a random feature.
    """

    def __init__(self, groups: int, size: int, width: int, decay: float = 0.98, least: float = 0.03):
        super().__init__()
        self.groups, self.size, self._decay, self._least = groups, size, decay, least
        for name, shape in {"embed": (size, width), "embed_avg": (size, width), "cluster_size": (size,)}.items():
            self.register_buffer(name, torch.zeros(groups, *shape))
        self.embed: Tensor
        self.embed_avg: Tensor
        self.cluster_size: Tensor

    def codes(self, x: Tensor) -> Tensor:
        """Map (B, K * D, T) to the nearest codes, int64 (B, K, T)."""
        grouped = self._grouped(x)
        return self._by_rows(_nearest(grouped, self.embed), x.shape[0])

    def vectors(self, codes: Tensor) -> Tensor:
        """Map codes (B, K, T) to vectors (B, K * D, T)."""
        first = self.size * torch.arange(self.groups, device=codes.device)[:, None]
        return F.embedding(codes + first, self.embed.flatten(0, 1)).mT.flatten(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the nearest vectors without a gradient; in training mode also update the codebooks."""
        with torch.no_grad():
            grouped = self._grouped(x)  # (K, B * T, D)
            codes = _nearest(grouped, self.embed)
            if self.training:
                self._update(grouped, codes)
            return self.vectors(self._by_rows(codes, x.shape[0]))

    @torch.no_grad()
    def start(self, x: Tensor, rounds: int = 20) -> None:
        """Initialize by k-means over features (B, K * D, T)."""
        grouped = self._grouped(x)
        grouped = grouped[:, torch.randperm(grouped.shape[1])[:KMEANS_FEATURES]]
        self.embed.copy_(grouped[:, : self.size])
        for _ in range(rounds):
            counts, sums = self._sums(grouped, _nearest(grouped, self.embed))
            self.embed.copy_(torch.where(counts[..., None] > 0, sums / counts.clamp(min=1)[..., None], self.embed))
        share = x.shape[0] * x.shape[2] / self.size
        self.cluster_size.fill_(share)
        self.embed_avg.copy_(self.embed * share)

    def _grouped(self, x: Tensor) -> Tensor:
        """Map (B, K * D, T) to (K, B * T, D)."""
        return torch.unflatten(x, 1, (self.groups, -1)).permute(1, 0, 3, 2).flatten(1, 2)

    @staticmethod
    def _by_rows(codes: Tensor, rows: int) -> Tensor:
        """Map (K, B * T) to (B, K, T)."""
        return torch.unflatten(codes, 1, (rows, -1)).transpose(0, 1)

    def _sums(self, grouped: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number of features of each code, and their sums."""
        rows = codes + self.size * torch.arange(self.groups, device=codes.device)[:, None]
        count, width = self.groups * self.size, grouped.shape[-1]
        counts = torch.bincount(rows.flatten(), minlength=count).to(grouped.dtype)
        sums = torch.zeros(count, width).index_add_(0, rows.flatten(), grouped.reshape(-1, width))
        return counts.view(self.groups, self.size), sums.view(self.groups, self.size, width)

    def _update(self, grouped: Tensor, codes: Tensor) -> None:
        counts, sums = self._sums(grouped, codes)
        self.cluster_size.lerp_(counts, 1 - self._decay)
        self.embed_avg.lerp_(sums, 1 - self._decay)
        self.embed.copy_(self.embed_avg / self.cluster_size.clamp(min=1e-3)[..., None])
        share = grouped.shape[1] / self.size
        for group, code in (self.cluster_size < self._least * share).nonzero().tolist():
            chosen = grouped[group, int(torch.randint(grouped.shape[1], ()))]
            self.embed[group, code] = chosen
            self.cluster_size[group, code] = share * 0.2
            self.embed_avg[group, code] = chosen * share * 0.2


def _nearest(grouped: Tensor, books: Tensor) -> Tensor:
    """Map features (K, B * T, D) and codebooks (K, S, D) to codes, int64 (K, B * T)."""
    distance = books.square().sum(-1)[:, None] - 2 * torch.bmm(grouped, books.mT)
    return distance.argmin(-1)
