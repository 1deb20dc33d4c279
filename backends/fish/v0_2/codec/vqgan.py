"""The VQGAN of Fish-Speech 0.2: 22050 Hz audio to 21.53 code frames per second, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.base import Audio, Codes
from backends.common.device import fatal_when_lost
from backends.fish.generation import Sizes
from backends.fish.v0_2.codec.encoding import WindowedEncoder
from backends.fish.v0_2.codec.hifigan import HiFiGAN, conv
from backends.fish.v0_2.codec.mel import MELS, MIN_SAMPLES, LogMel
from backends.fish.v0_2.codec.quantizer import Codebook, Quantizer
from backends.fish.v0_2.codec.wavenet import REACH, WaveNet
from backends.fish.v0_2.codec.windowed import Chain, ChainState, Stage
from backends.fish.v0_2.config import FRAME_HOPS, FRAME_SAMPLES, HOP_SAMPLES, RATE_HZ

BATCH_FRAMES = 256  # code frames per batch: decoding needs some 1.3 MB for each


@dataclass(frozen=True, slots=True)
class Widths:
    """Channels of the layers, and the number and size of codebooks.

    :param downsampled: after each halving of the rate.
    :param quantized: of all codebooks together.
    :param waves: before and after each upsampling.
    """

    downsampled: tuple[int, ...]
    quantized: int
    codebooks: int
    codebook_size: int
    waves: tuple[int, ...]

    @property
    def hidden(self) -> int:
        """Channels between spectrogram and codes."""
        return self.downsampled[-1]


class VQGAN(nn.Module):
    """The codec on one device. Inputs of unequal length never share a batch, so that none changes another's result.

    As in Fish-Speech v0.2.0 ``tools/vqgan/inference.py``, with the names of its classes.
    """

    def __init__(self, widths: Widths):
        super().__init__()
        self.sizes = Sizes(RATE_HZ, FRAME_SAMPLES, widths.codebooks)
        self.codebook_size = widths.codebook_size
        books = [Codebook(widths.codebook_size, widths.quantized // widths.codebooks) for _ in range(widths.codebooks)]
        self.mel = LogMel()
        self.downsample = Downsampling(widths.downsampled)
        self.mel_encoder = WaveNet(widths.hidden)
        self.vq_encoder = Quantizer(widths.hidden, widths.quantized, books)
        self.decoder = WaveNet(widths.hidden, MELS)
        self.generator = HiFiGAN(MELS, widths.waves)
        stages = [Stage(self._features, FRAME_HOPS, 0), Stage(self.decoder, 1, REACH), *self.generator.stages()]
        self.chain = Chain(stages)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.mel.window.device

    def frames(self, samples: int) -> int:
        """Return the number of code frames of a recording of ``samples`` samples."""
        return -(-(samples // HOP_SAMPLES) // FRAME_HOPS)

    def windowed_encoder(self, audio: Audio) -> WindowedEncoder:
        """Encode one recording, shape (N,), in steps."""
        return WindowedEncoder(self, audio)

    @torch.inference_mode()
    def encode(self, audios: Sequence[Audio]) -> list[Codes]:
        """Encode recordings to codes, each int64 (K, ``frames(N)``).

        :param audios: each (N,) at 22050 Hz.
        :raises ValueError: if one is too short or not mono.
        :raises FatalFault: if the device is lost.
        """
        for audio in audios:
            if audio.ndim != 1:
                raise ValueError(f"audio must be mono, of shape (N,), not {audio.shape}")
            if len(audio) < MIN_SAMPLES:
                raise ValueError(f"audio of {len(audio)} samples is too short to encode: at least {MIN_SAMPLES}")
        results: dict[int, Codes] = {}
        with fatal_when_lost():
            for rows in _batches([len(audio) // HOP_SAMPLES for audio in audios], BATCH_FRAMES * FRAME_HOPS):
                mels = [self.to_mel(audios[row]) for row in rows]
                codes = self._encode(torch.stack(mels))
                results.update(zip(rows, codes.cpu().numpy(), strict=True))
        return [results[row] for row in range(len(audios))]

    @torch.inference_mode()
    def decode(self, codes: Sequence[Codes]) -> list[Audio]:
        """Decode codes to audio, each float32 (1024 T,) at 22050 Hz.

        :param codes: each of integers, (K, T), T in code frames.
        :raises ValueError: if a shape, dtype or range is wrong.
        :raises FatalFault: if the device is lost.
        """
        for one in codes:
            self.check(one)
        results: dict[int, Audio] = {}
        with fatal_when_lost():
            for rows in _batches([one.shape[1] for one in codes], BATCH_FRAMES):
                audio = self._decode(np.stack([codes[row] for row in rows]))
                results.update(zip(rows, audio, strict=True))
        return [results[row] for row in range(len(codes))]

    def check(self, codes: Codes) -> None:
        """Validate codes.

        :raises ValueError: if their shape, dtype or range is wrong.
        """
        codebooks = self.sizes.codebooks
        if codes.ndim != 2 or len(codes) != codebooks or not np.issubdtype(codes.dtype, np.integer):
            raise ValueError(f"codes must be integers of shape ({codebooks}, T), not {codes.dtype} of {codes.shape}")
        if codes.size and not (codes.min() >= 0 and codes.max() < self.codebook_size):
            found = f"{codes.min()} to {codes.max()}"
            raise ValueError(f"codes must be in the range 0 to {self.codebook_size - 1}, not {found}")

    def to_mel(self, audio: Audio) -> Tensor:
        """(N,) -> (M, T), T in mel frames."""
        samples = torch.tensor(audio, dtype=self.mel.window.dtype, device=self.device)
        mel: Tensor = self.mel(samples[None])[0]
        return mel

    def to_device(self, codes: Codes) -> Tensor:
        """Copy codes to the device, as the chain's input."""
        return torch.from_numpy(codes.astype(np.int64)).to(self.device)

    def _encode(self, mel: Tensor) -> Tensor:
        """(B, M, T) -> (B, K, ceil(T / 4)), T in mel frames."""
        features = self.downsample(mel)
        # The network masks a last code frame that has fewer than four mel frames, but it is returned.
        return self.vq_encoder.encode(self.mel_encoder(features, valid=mel.shape[-1] // FRAME_HOPS))

    def _decode(self, codes: Codes) -> Audio:
        """(B, K, T) -> (B, 1024 T), T in code frames, in windows that bound the memory."""
        rows, _, total = codes.shape
        audio = np.zeros((rows, total * FRAME_SAMPLES), np.float32)
        states: list[ChainState] = [[] for _ in range(rows)]
        read = 0
        for start in range(0, total, BATCH_FRAMES):
            end = min(start + BATCH_FRAMES, total)
            window = self.chain.window(start, end, total)
            wave, states = self.chain.advance(states, self.to_device(codes[..., read : read + window.frames]), window)
            audio[:, start * FRAME_SAMPLES : end * FRAME_SAMPLES] = wave[:, 0].float().cpu().numpy()
            read += window.frames
        return audio

    def _features(self, codes: Tensor) -> Tensor:
        """(B, K, T) -> (B, C, 4 T), T in code frames."""
        return self.vq_encoder.decode(codes).repeat_interleave(FRAME_HOPS, dim=-1)


class Downsampling(nn.Module):
    """Mel frames to code frames, a quarter of the rate.

    ``ConvDownSampler`` of Fish-Speech v0.2.0 ``fish_speech/models/vqgan/modules/encoders.py``.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(conv(inputs, width, 3, stride=2), nn.LayerNorm(width))
            for inputs, width in zip((MELS, *widths[:-1]), widths, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, M, T) -> (B, C, ceil(T / 4)), T in mel frames."""
        for pair in self.convs:
            x = F.gelu(pair[1](pair[0](x).mT)).mT  # type: ignore[index]
        return x


def _batches(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Group indices of equal lengths into batches of at most ``limit`` positions, or one row."""
    groups: list[list[int]] = []
    for length in sorted(set(lengths)):
        equal = [index for index, other in enumerate(lengths) if other == length]
        rows = max(1, limit // max(1, min(length, limit)))
        groups += [equal[start : start + rows] for start in range(0, len(equal), rows)]
    return groups
