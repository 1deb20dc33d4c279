"""Grouped vector quantization: the channels are divided into K groups with one codebook each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Codebook(nn.Module):
    """The vectors of one group's codes; below, D is their width."""

    def __init__(self, size: int, width: int):
        super().__init__()
        self.register_buffer("embed", torch.zeros(1, size, width))
        self.embed: Tensor

    def forward(self, codes: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)."""
        return F.embedding(codes, self.embed[0])


def nearest(x: Tensor, vectors: Tensor) -> Tensor:
    """Map (…, T, D) to the nearest of vectors (…, S, D), int64 (…, T)."""
    # true distances: their expansion by matrix products loses digits where two codes are almost equally near
    return torch.cdist(x, vectors, compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)


class Quantizer(nn.Module):
    """``VQEncoder`` of Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/encoders.py``, one codebook per group.

    :param width: channels of all groups together.
    :param books: one per group.
    """

    def __init__(self, channels: int, width: int, books: Sequence[Codebook]):
        super().__init__()
        self.conv_in = nn.Conv1d(channels, width, 1)
        self.conv_out = nn.Sequential(nn.Identity(), nn.Conv1d(width, channels, 1))
        self.books = list(books)
        self.vq = nn.Module()  # the names of vector-quantize-pytorch
        self.vq.rvqs = nn.ModuleList(
            nn.ModuleDict({"layers": nn.ModuleList([nn.ModuleDict({"_codebook": book})])}) for book in books
        )

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) -> nearest codes, int64 (B, K, T), T in code frames."""
        grouped = torch.unflatten(self.conv_in(x), 1, (len(self.books), -1)).mT  # (B, K, T, D)
        return nearest(grouped, torch.cat([book.embed for book in self.books]))

    def decode(self, codes: Tensor) -> Tensor:
        """(B, K, T) -> (B, C, T), T in code frames."""
        vectors = [book(part) for book, part in zip(self.books, codes.unbind(1), strict=True)]
        out: Tensor = self.conv_out(torch.cat(vectors, -1).mT)
        return out


def codebook_name(index: int) -> str:
    """Name of a codebook's tensor in the codec."""
    return f"vq_encoder.vq.rvqs.{index}.layers.0._codebook.embed"
