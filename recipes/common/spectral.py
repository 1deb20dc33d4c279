"""Multi-resolution spectral distance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))  # window and hop, samples
FLOOR = 1e-5


class SpectralDistance(nn.Module):
    """Spectral convergence and log-magnitude distance of two waveforms (B, N), as in Parallel WaveGAN."""

    def __init__(self) -> None:
        super().__init__()
        for size, _ in RESOLUTIONS:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Mean over the resolutions."""
        total = generated.new_zeros(())
        for size, hop in RESOLUTIONS:
            window = getattr(self, f"window_{size}")
            both = torch.stft(torch.cat((generated, target)), size, hop, window=window, return_complex=True)
            a, b = torch.view_as_real(both).square().sum(-1).add(FLOOR**2).sqrt().chunk(2)
            convergence = (a - b).norm() / b.norm().clamp(min=1e-3)
            total = total + convergence + F.l1_loss(a.clamp(min=FLOOR).log(), b.clamp(min=FLOOR).log())
        return total / len(RESOLUTIONS)
