"""The spectrogram F5-TTS hears and draws.

Letters: N samples, n frames, M mel channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from backends.f5.model import HOP_SAMPLES, MELS, RATE_HZ, WINDOW_SAMPLES

SILENCE = 1e-5  # magnitudes below this count as this


class LogMel:
    """Natural logarithm of a magnitude mel spectrogram, 93.75 frames a second; computed on the CPU."""

    def __init__(self) -> None:
        self._spectrum = MelSpectrogram(
            RATE_HZ,
            n_fft=WINDOW_SAMPLES,
            win_length=WINDOW_SAMPLES,
            hop_length=HOP_SAMPLES,
            n_mels=MELS,
            power=1,
            center=True,
            norm=None,
            mel_scale="htk",
        )

    def __call__(self, samples: Tensor) -> Tensor:
        """:param samples: shape (N,), float32; returns (n, M) with n = N // 256 + 1."""
        mel: Tensor = self._spectrum(samples)
        return mel.clamp(min=SILENCE).log().mT.contiguous()


def frames_of(samples: int) -> int:
    """Whole hops in a recording: the unit in which f5-tts counts durations."""
    return samples // HOP_SAMPLES


def silence(frames: int) -> Tensor:
    """The mel of nothing, shape (n, M)."""
    return torch.full((frames, MELS), SILENCE).log()
