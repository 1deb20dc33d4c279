"""The VQGAN of Fish-Speech 0.2: 22050 Hz sound to 21.53 code frames a second, and back.

Letters: B rows, N samples, F spectrogram frames, M mel channels, C channels, T code frames, G codebooks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from backends.base import Audio
from backends.common.device import fatal_when_lost
from backends.common.weights import Weights
from backends.fish.v0_2.codec.hifigan import HiFiGAN
from backends.fish.v0_2.codec.layers import take_conv
from backends.fish.v0_2.codec.mel import MELS, MIN_SAMPLES, LogMel
from backends.fish.v0_2.codec.quantizer import Quantizer
from backends.fish.v0_2.codec.wavenet import REACH, WaveNet
from backends.fish.v0_2.codec.windowed import Chain, Memory, Segment
from backends.fish.v0_2.config import CODE_HOPS, CODE_SAMPLES, HOP_SAMPLES, RATE_HZ

Codes = npt.NDArray[np.integer]
"""What a language model says and a codec speaks, shape (G, T)."""

FRAMES_AT_ONCE = 256  # code frames in one pass: decoding needs some 1.3 MB for each


class VQGAN:
    """The codec on one device; rows of unequal length never share a pass, so that none changes another.

    Fish-Speech v0.2.0 ``tools/vqgan/inference.py``. Sizes of layers are taken from the weights, the layout is fixed.

    :param weights: under the names of Fish-Speech's own classes.
    :param codebooks: how many there are.
    :param codebook_size: codes in each.
    :raises LoadError: naming a tensor that is not there or does not fit.
    """

    rate_hz = RATE_HZ
    samples_per_code = CODE_SAMPLES

    def __init__(self, weights: Weights, codebooks: int, codebook_size: int):
        self.device = weights.device
        self.num_codebooks = codebooks
        self.codebook_size = codebook_size
        self.mel = LogMel(self.device, weights.dtype)
        self.downsample = Downsampling(weights, "downsample")
        channels = self.downsample.channels
        self.encoder = WaveNet(weights, "mel_encoder", channels)
        self.quantizer = Quantizer(weights, "vq_encoder", channels, codebooks, codebook_size)
        self.decoder = WaveNet(weights, "decoder", channels, MELS)
        self.chain = Chain(
            [
                Segment(self._features, CODE_HOPS, 0),
                Segment(self.decoder, 1, REACH),
                *HiFiGAN(weights, "generator", MELS).segments,
            ]
        )
        self._dtype = weights.dtype

    @torch.inference_mode()
    def encode(self, audios: Sequence[Audio]) -> list[Codes]:
        """Codes of each sound, int64 (G, ceil(F / 4)) with F = N // 256.

        :param audios: each (N,) at 22050 Hz.
        :raises ValueError: one is too short, or no array of one dimension.
        :raises FatalFault: the device is lost.
        """
        for audio in audios:
            if audio.ndim != 1:
                raise ValueError(f"audio of shape {audio.shape} is not mono")
            if len(audio) < MIN_SAMPLES:
                raise ValueError(f"a sound of {len(audio)} samples is too short to encode: {MIN_SAMPLES} are the least")
        results: dict[int, Codes] = {}
        with fatal_when_lost():
            for rows in _alike([len(audio) // HOP_SAMPLES for audio in audios], FRAMES_AT_ONCE * CODE_HOPS):
                mels = [self.to_mel(audios[row]) for row in rows]
                codes = self._encode(torch.stack(mels))
                results.update(zip(rows, codes.cpu().numpy(), strict=True))
        return [results[row] for row in range(len(audios))]

    @torch.inference_mode()
    def decode(self, codes: Sequence[Codes]) -> list[Audio]:
        """Sound of each, float32 (1024 T,) at 22050 Hz.

        :param codes: each of integers, (G, T).
        :raises ValueError: codes of another shape, or outside the codebook.
        :raises FatalFault: the device is lost.
        """
        for one in codes:
            self.check(one)
        results: dict[int, Audio] = {}
        with fatal_when_lost():
            for rows in _alike([one.shape[1] for one in codes], FRAMES_AT_ONCE):
                audio = self._decode(np.stack([codes[row] for row in rows]))
                results.update(zip(rows, audio, strict=True))
        return [results[row] for row in range(len(codes))]

    def check(self, codes: Codes) -> None:
        """Make sure that these can be decoded.

        :raises ValueError: codes of another shape, or outside the codebook.
        """
        if codes.ndim != 2 or len(codes) != self.num_codebooks or not np.issubdtype(codes.dtype, np.integer):
            raise ValueError(
                f"codes are integers of shape ({self.num_codebooks}, T), not {codes.dtype} of {codes.shape}"
            )
        if codes.size and not (codes.min() >= 0 and codes.max() < self.codebook_size):
            raise ValueError(f"codes go from 0 to {self.codebook_size - 1}, not {codes.min()} to {codes.max()}")

    def to_mel(self, audio: Audio) -> Tensor:
        """(M, F) of samples, (N,)."""
        return self.mel(torch.tensor(audio, dtype=self._dtype, device=self.device))

    def to_device(self, codes: Codes) -> Tensor:
        """Codes as the chain takes them."""
        return torch.from_numpy(codes.astype(np.int64)).to(self.device)

    def _encode(self, mel: Tensor) -> Tensor:
        """(B, M, F) to (B, G, ceil(F / 4))."""
        features = self.downsample(mel)
        # a code frame for which there is no whole one of sound: the network is told that nothing is there
        return self.quantizer.encode(self.encoder(features, valid=mel.shape[-1] // CODE_HOPS))

    def _decode(self, codes: Codes) -> Audio:
        """(B, G, T) to (B, 1024 T), in windows that bound the memory for long ones."""
        rows, _, total = codes.shape
        audio = np.zeros((rows, total * CODE_SAMPLES), np.float32)
        memories: list[Memory] = [[] for _ in range(rows)]
        fed = 0
        for start in range(0, total, FRAMES_AT_ONCE):
            end = min(start + FRAMES_AT_ONCE, total)
            window = self.chain.window(start, end, total)
            wave, memories = self.chain.advance(memories, self.to_device(codes[..., fed : fed + window.frames]), window)
            audio[:, start * CODE_SAMPLES : end * CODE_SAMPLES] = wave[:, 0].float().cpu().numpy()
            fed += window.frames
        return audio

    def _features(self, codes: Tensor) -> Tensor:
        """(B, G, T) to (B, C, 4 T)."""
        return self.quantizer.decode(codes).repeat_interleave(CODE_HOPS, dim=-1)


class Downsampling:
    """From a mel spectrogram to a quarter of its rate.

    Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/encoders.py``, ``ConvDownSampler``.

    :raises LoadError: its weights are not all there.
    """

    def __init__(self, weights: Weights, name: str):
        self._layers = []
        self.channels = MELS
        for layer in range(2):
            place = f"{name}.convs.{layer}"
            width = weights.rows(f"{place}.0.bias")
            conv = take_conv(weights, f"{place}.0", width, self.channels, 3, stride=2)
            self._layers.append(
                (conv, weights.take(f"{place}.1.weight", width), weights.take(f"{place}.1.bias", width))
            )
            self.channels = width

    def __call__(self, mel: Tensor) -> Tensor:
        """(B, M, F) to (B, C, ceil(F / 4))."""
        x = mel
        for conv, scale, shift in self._layers:
            x = conv(x).mT
            x = F.gelu(F.layer_norm(x, scale.shape, scale, shift)).mT
        return x


def _alike(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Indices of equal lengths together, but no more of them than ``most`` positions in all, or one."""
    groups: list[list[int]] = []
    for length in sorted(set(lengths)):
        alike = [index for index, other in enumerate(lengths) if other == length]
        rows = max(1, most // max(1, min(length, most)))
        groups += [alike[start : start + rows] for start in range(0, len(alike), rows)]
    return groups
