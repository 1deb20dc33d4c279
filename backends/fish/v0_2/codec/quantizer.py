"""Grouped vector quantization: the channels are divided into K groups with one codebook each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.common.weights import Weights
from backends.fish.v0_2.codec.layers import take_conv


class Quantizer:
    """``VQEncoder`` of Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/encoders.py``, one codebook per group.

    :param codebooks: K.
    :param size: codes per codebook.
    :raises LoadError: if weights are missing.
    """

    def __init__(self, weights: Weights, name: str, channels: int, codebooks: int, size: int):
        self.codebooks = codebooks
        self.size = size
        width = weights.rows(f"{name}.conv_in.bias")
        self._conv_in = take_conv(weights, f"{name}.conv_in", width, channels, 1)
        self._conv_out = take_conv(weights, f"{name}.conv_out.1", channels, width, 1)
        vectors = [weights.take(codebook_name(name, k), 1, size, width // codebooks) for k in range(codebooks)]
        self._vectors = torch.cat(vectors)  # (K, size, channels of a group)
        self._offsets = size * torch.arange(codebooks, device=weights.device)[:, None]  # of each codebook, flattened

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, T) -> nearest codes, int64 (B, K, T), T in code frames."""
        grouped = torch.unflatten(self._conv_in(x), 1, (self.codebooks, -1)).mT  # (B, K, T, channels of a group)
        # true distances: their expansion by matrix products loses digits where two codes are almost equally near
        return torch.cdist(grouped, self._vectors, compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """(B, K, T) -> (B, C, T), T in code frames."""
        grouped = F.embedding(codes + self._offsets, self._vectors.flatten(0, 1))  # (B, K, T, channels of a group)
        return self._conv_out(grouped.mT.flatten(1, 2))


def codebook_name(name: str, index: int) -> str:
    """Return the name of a codebook's tensor in a checkpoint."""
    return f"{name}.vq.rvqs.{index}.layers.0._codebook.embed"
