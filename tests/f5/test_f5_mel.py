"""Log-mel spectrogram: the same values as f5-tts's."""

from __future__ import annotations

import torch
from torchaudio.functional import melscale_fbanks

from backends.f5.mel import LogMel


def test_spectrogram_matches_f5_tts() -> None:
    # f5_tts.model.modules has slow imports; this is its get_vocos_mel_spectrogram in plain torch.
    samples = torch.randn(5000) * 0.1
    spectrum = torch.stft(
        samples, 1024, 256, 1024, torch.hann_window(1024), center=True, pad_mode="reflect", return_complex=True
    )
    filters = melscale_fbanks(513, 0.0, 12000.0, 100, 24000, norm=None, mel_scale="htk")
    expected = (spectrum.abs().T @ filters).clamp(min=1e-5).log()
    found = LogMel()(samples)
    assert found.shape == (5000 // 256 + 1, 100)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
