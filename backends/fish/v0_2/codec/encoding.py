"""Encoding a sound window by window, so that a long one holds nobody up for long.

The network hears ``REACH`` code frames to each side. A window is computed with those around it, and with one more to
its left, where halving the rate twice needs what came before; at the true start and end the network's own padding acts.
The codes are those of the whole sound, but for ties that float rounding decides.

Letters: N samples, F spectrogram frames, M mel channels, C channels, G codebooks, k code frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backends.base import Audio
from backends.fish.v0_2.codec.vqgan import VQGAN, Codes
from backends.fish.v0_2.codec.wavenet import REACH
from backends.fish.v0_2.config import CODE_HOPS, HOP_SAMPLES

WINDOW_FRAMES = {"cpu": 128, "cuda": 2048}  # on one core some 0.1 s of work, its surroundings included
MIRRORED_HOPS = 2  # spectrogram frames at a cut whose window of samples would reach beyond it


class Encoding:
    """One sound on its way to codes.

    :param audio: shape (N,), at the codec's rate, at least one code frame long.
    :param window: code frames of a step; None: what suits the device.
    """

    def __init__(self, codec: VQGAN, audio: Audio, window: int | None = None):
        self._codec = codec
        self._audio = audio
        self._window = window or WINDOW_FRAMES[codec.device.type]
        self._hops = len(audio) // HOP_SAMPLES
        self._total = -(-self._hops // CODE_HOPS)
        self._done = 0

    @property
    def complete(self) -> bool:
        """Whether there are no more codes to come."""
        return self._done == self._total

    @torch.inference_mode()
    def step(self) -> Codes:
        """The next codes, int64 (G, k)."""
        start, end = self._done, min(self._done + self._window, self._total)
        first, last = max(0, start - REACH - 1), min(self._total, end + REACH)
        features = self._codec.downsample(self._mel(first * CODE_HOPS, min(last * CODE_HOPS, self._hops)))
        if first:  # made without what came before it
            features, first = features[..., 1:], first + 1
        hidden = self._codec.encoder(features, valid=self._hops // CODE_HOPS - first)
        codes = self._codec.quantizer.encode(hidden[..., start - first : end - first])
        self._done = end
        found: Codes = codes[0].cpu().numpy()
        return found

    def _mel(self, first: int, last: int) -> Tensor:
        """The spectrogram's frames from ``first`` to ``last``, (1, M, F), from the samples they are made of."""
        begin, end = max(0, first - MIRRORED_HOPS), min(self._hops, last + MIRRORED_HOPS)
        stop = len(self._audio) if end == self._hops else end * HOP_SAMPLES
        mel = self._codec.to_mel(self._audio[begin * HOP_SAMPLES : stop])
        return mel[None, :, first - begin : last - begin]
