"""The mel spectrogram that the codec encodes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from backends.fish.v0_2.config import HOP_SAMPLES, RATE_HZ

MELS = 80
WINDOW_SAMPLES = 1024
MAX_HZ = 8000.0
EDGE_SAMPLES = (WINDOW_SAMPLES - HOP_SAMPLES) // 2  # reflected at each end
MIN_SAMPLES = EDGE_SAMPLES + 1  # reflection needs more samples than it pads
POWER_FLOOR = 1e-6  # keeps the square root differentiable; it changes silence
MAGNITUDE_FLOOR = 1e-5


class LogMel(nn.Module):
    """Natural logarithm of a magnitude mel spectrogram with Slaney's scale and norm, 86.13 frames per second.

    As in Fish-Speech v0.2.0 ``fish_speech/models/vqgan/spectrogram.py``. Scale and window are computed, not read from a
    checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        bins = WINDOW_SAMPLES // 2 + 1
        with torch.device("cpu"):  # constants, also of a codec without weights, on the meta device
            bank = melscale_fbanks(bins, 0.0, MAX_HZ, MELS, RATE_HZ, norm="slaney", mel_scale="slaney")
            self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)
        self.register_buffer("bank", bank.mT, persistent=False)  # (M, bins)
        self.window: Tensor
        self.bank: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Map (B, N) at 22050 Hz, N >= ``MIN_SAMPLES``, to (B, M, T), T = N // 256 mel frames."""
        padded = F.pad(samples, (EDGE_SAMPLES, EDGE_SAMPLES), mode="reflect")
        spectrum = torch.stft(
            padded, WINDOW_SAMPLES, HOP_SAMPLES, window=self.window, center=False, return_complex=True
        )
        magnitude = torch.view_as_real(spectrum).square().sum(-1).add(POWER_FLOOR).sqrt()
        return (self.bank @ magnitude).clamp(min=MAGNITUDE_FLOOR).log()
