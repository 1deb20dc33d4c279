"""Between features and codes: some groups of channels, each with a codebook.

Letters: B rows, C channels, T code frames, G groups, K codes of a codebook, d channels of a group.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.codec.layers import take_conv


class Quantizer:
    """Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/encoders.py``, ``VQEncoder`` with one codebook a group.

    :param groups: of equally many channels each.
    :param size: codes of each codebook.
    :raises LoadError: its weights are not all there.
    """

    def __init__(self, weights: Weights, name: str, channels: int, groups: int, size: int):
        self.groups = groups
        self.size = size
        width = weights.rows(f"{name}.conv_in.bias")
        self._conv_in = take_conv(weights, f"{name}.conv_in", width, channels, 1)
        self._conv_out = take_conv(weights, f"{name}.conv_out.1", channels, width, 1)
        books = [weights.take(codebook(name, group), 1, size, width // groups) for group in range(groups)]
        self._books = torch.cat(books)  # (G, K, d)
        self._first_rows = size * torch.arange(groups, device=weights.device)[:, None]  # of each codebook, laid flat

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) to the nearest codes, int64 (B, G, T)."""
        grouped = torch.unflatten(self._conv_in(x), 1, (self.groups, -1)).mT  # (B, G, T, d)
        # distances proper: their expansion into squares and products loses digits where two codes are almost as near
        return torch.cdist(grouped, self._books, compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, G, T) to (B, C, T)."""
        grouped = F.embedding(codes + self._first_rows, self._books.flatten(0, 1))  # (B, G, T, d)
        return self._conv_out(grouped.mT.flatten(1, 2))


def codebook(name: str, group: int) -> str:
    """What a group's codebook is called in a checkpoint."""
    return f"{name}.vq.rvqs.{group}.layers.0._codebook.embed"
