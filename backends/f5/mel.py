"""Log-mel spectrogram, as F5-TTS was trained on."""

from __future__ import annotations

from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from backends.f5.config import HOP_SAMPLES, MELS, RATE_HZ, WINDOW_SAMPLES

SILENCE = 1e-5  # smallest magnitude; lower ones are raised to it


class LogMel:
    """Natural logarithm of a magnitude mel spectrogram, 93.75 frames per second; computed on the CPU."""

    def __init__(self) -> None:
        self._spectrogram = MelSpectrogram(
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
        """Compute the spectrogram.

        :param samples: mono audio at 24 kHz, shape (N,), float32.
        :returns: shape (T, M) with T = N // 256 + 1 frames.
        """
        mel: Tensor = self._spectrogram(samples)
        return mel.clamp(min=SILENCE).log().mT.contiguous()
