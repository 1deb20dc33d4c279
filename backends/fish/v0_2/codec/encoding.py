"""Windowed encoding, so that a long recording does not block other jobs.

The network's receptive field extends ``REACH`` code frames to each side. A window is computed with that context, and
with one more frame on its left, which the strided convolutions need. At the true start and end the network's own
padding applies. The codes equal those of the whole recording, except for ties that rounding decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.base import Audio, Codes
from backends.fish.v0_2.codec.wavenet import REACH
from backends.fish.v0_2.config import FRAME_HOPS, HOP_SAMPLES

if TYPE_CHECKING:
    from backends.fish.v0_2.codec.vqgan import VQGAN

WINDOW_FRAMES = {"cpu": 128, "cuda": 2048}  # with its context some 0.1 s of work on one core
CONTEXT_HOPS = 2  # mel frames at a cut whose sample window extends beyond it


class WindowedEncoder:
    """Encodes one recording in windows.

    :param audio: shape (N,), at the codec's rate, at least one code frame long.
    :param window: code frames per step; None: suited to the device.
    """

    def __init__(self, codec: VQGAN, audio: Audio, window: int | None = None):
        self._codec = codec
        self._audio = audio
        self._window = window or WINDOW_FRAMES[codec.device.type]
        self._hops = len(audio) // HOP_SAMPLES
        self._frames = codec.frames(len(audio))
        self._done = 0

    @property
    def complete(self) -> bool:
        """Whether all codes were returned."""
        return self._done == self._frames

    @torch.inference_mode()
    def step(self) -> Codes:
        """Return the next codes, int64 (K, T), T in code frames."""
        start, end = self._done, min(self._done + self._window, self._frames)
        first, last = max(0, start - REACH - 1), min(self._frames, end + REACH)
        features = self._codec.downsample(self._mel(first * FRAME_HOPS, min(last * FRAME_HOPS, self._hops)))
        if first:  # computed without the frames before it
            features, first = features[..., 1:], first + 1
        hidden = self._codec.mel_encoder(features, valid=self._hops // FRAME_HOPS - first)
        codes = self._codec.vq_encoder.encode(hidden[..., start - first : end - first])
        self._done = end
        window: Codes = codes[0].cpu().numpy()
        return window

    def _mel(self, first: int, last: int) -> Tensor:
        """Mel frames from ``first`` to ``last``, (1, M, T), computed from the samples they depend on."""
        begin, end = max(0, first - CONTEXT_HOPS), min(self._hops, last + CONTEXT_HOPS)
        stop = len(self._audio) if end == self._hops else end * HOP_SAMPLES
        mel = self._codec.to_mel(self._audio[begin * HOP_SAMPLES : stop])
        return mel[None, :, first - begin : last - begin]
