"""The mel spectrogram that the codec encodes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from backends.fish.v0_2.config import HOP_SAMPLES, RATE_HZ

MELS = 80
WINDOW_SAMPLES = 1024
MAX_HZ = 8000.0
EDGE_SAMPLES = (WINDOW_SAMPLES - HOP_SAMPLES) // 2  # reflected at each end
MIN_SAMPLES = EDGE_SAMPLES + 1  # reflection needs more samples than it pads
POWER_FLOOR = 1e-6  # keeps the square root differentiable; it changes silence
MAGNITUDE_FLOOR = 1e-5


class LogMel:
    """Natural logarithm of a magnitude mel spectrogram with Slaney's scale and norm, 86.13 frames per second.

    As in Fish-Speech v0.2.0 ``fish_speech/models/vqgan/spectrogram.py``. Scale and window are computed, not read from a
    checkpoint.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype):
        self._window = torch.hann_window(WINDOW_SAMPLES).to(device, dtype)
        bins = WINDOW_SAMPLES // 2 + 1
        bank = melscale_fbanks(bins, 0.0, MAX_HZ, MELS, RATE_HZ, norm="slaney", mel_scale="slaney")
        self._bank: Tensor = bank.mT.to(device, dtype)  # (M, bins)

    def __call__(self, samples: Tensor) -> Tensor:
        """Return (M, T), T = N // 256 mel frames.

        :param samples: shape (N,), 22050 Hz, N >= ``MIN_SAMPLES``.
        """
        padded = F.pad(samples[None], (EDGE_SAMPLES, EDGE_SAMPLES), mode="reflect")[0]
        spectrum = torch.stft(
            padded, WINDOW_SAMPLES, HOP_SAMPLES, window=self._window, center=False, return_complex=True
        )
        magnitude = torch.view_as_real(spectrum).square().sum(-1).add(POWER_FLOOR).sqrt()
        return (self._bank @ magnitude).clamp(min=MAGNITUDE_FLOOR).log()
