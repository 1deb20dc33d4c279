"""The engine's codec, ``backends/fish/v0_2/codec``, in training: initial networks, and gradients of codes.

T is in mel frames, or code frames where noted.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.fish.v0_2.codec.hifigan import KERNELS, HiFiGAN
from backends.fish.v0_2.codec.mel import MELS
from backends.fish.v0_2.codec.quantizer import Quantizer
from backends.fish.v0_2.codec.vqgan import Downsampling, Widths
from backends.fish.v0_2.codec.wavenet import KERNEL, WaveNet
from backends.fish.v0_2.config import CODEBOOKS, FRAME_HOPS
from recipes.fish_mini.quantizer import TrainedCodebook

WIDTHS = Widths(
    downsampled=(256, 192), quantized=128, codebooks=CODEBOOKS, codebook_size=160, waves=(192, 96, 48, 24, 12)
)
# Layers of the encoder that use all three taps of their kernel. The others use the middle one only, so that a code
# depends on nearby sound and codes can be concatenated.
NEAR_LAYERS = 3
TRAINED_BLOCKS = (3, 3, 2, 1)  # of the three residual blocks of each stage; the others are zero


class MelCodec(nn.Module):
    """The codec without its generator: mel spectrogram to codes and back."""

    def __init__(self) -> None:
        super().__init__()
        width = WIDTHS.quantized // CODEBOOKS
        books = [TrainedCodebook(WIDTHS.codebook_size, width) for _ in range(CODEBOOKS)]
        self.downsample = Downsampling(WIDTHS.downsampled)
        self.mel_encoder = WaveNet(WIDTHS.hidden)
        self.vq_encoder = Quantizer(WIDTHS.hidden, WIDTHS.quantized, books)
        self.decoder = WaveNet(WIDTHS.hidden, MELS)
        middle = F.one_hot(torch.tensor(KERNEL // 2), KERNEL)
        for layer in self.mel_encoder.in_layers[NEAR_LAYERS:]:
            with torch.no_grad():
                layer.weight.mul_(middle)
            layer.weight.register_hook(lambda gradient: gradient * middle.to(gradient))

    @property
    def books(self) -> list[TrainedCodebook]:
        """The codebooks in order."""
        return self.vq_encoder.books  # type: ignore[return-value]

    def start_codebooks(self, x: Tensor) -> None:
        """Initialize the codebooks from outputs of the encoder, (B, C, T), T in code frames."""
        for book, part in zip(self.books, self.vq_encoder.conv_in(x).mT.chunk(CODEBOOKS, -1), strict=True):
            book.start(part)

    def encode(self, mel: Tensor) -> Tensor:
        """Map (B, M, T) to codes, int64 (B, K, ceil(T / 4))."""
        return self.vq_encoder.encode(self.mel_encoder(self.downsample(mel)))

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes (B, K, T) to (B, M, 4 T), T in code frames."""
        output: Tensor = self.decoder(self.vq_encoder.decode(codes).repeat_interleave(FRAME_HOPS, dim=-1))
        return output

    def forward(self, mel: Tensor, free: bool = False) -> tuple[Tensor, Tensor]:
        """Encode and decode (B, M, T), T a multiple of 4; also return the commitment loss.

        :param free: do not quantize; used before the codebooks exist.
        """
        quantizer = self.vq_encoder
        features = quantizer.conv_in(self.mel_encoder(self.downsample(mel)))
        commitment = features.square().mean() * 0
        if not free:
            groups = features.mT.chunk(CODEBOOKS, -1)
            quantized = torch.cat([book.quantize(part) for book, part in zip(self.books, groups, strict=True)], -1).mT
            commitment = F.mse_loss(features, quantized)
            features = features + (quantized - features).detach()
        return self.decoder(quantizer.conv_out(features).repeat_interleave(FRAME_HOPS, dim=-1)), commitment


def build_generator() -> HiFiGAN:
    """Build a generator for training; blocks that stay zero, and so return their input, are left out."""
    generator = HiFiGAN(MELS, WIDTHS.waves)
    for stage, trained in enumerate(TRAINED_BLOCKS):
        for block in range(stage * len(KERNELS) + trained, (stage + 1) * len(KERNELS)):
            generator.resblocks[block] = nn.Identity()
    return generator


def matrices(generator: HiFiGAN) -> set[str]:
    """Names of the generator's kernels, except the last, which has one channel."""
    return {name for name, value in generator.named_parameters() if value.ndim > 1 and value.shape[0] > 1}


def normalize_input(layer: nn.Conv1d, mel: Tensor) -> None:
    """Initialize a layer so that it normalizes the spectrogram, which an optimizer would learn slowly.

    :param mel: log, (B, M, T).
    """
    with torch.no_grad():
        layer.weight.div_(mel.std())
        if layer.bias is not None:
            layer.bias.sub_((layer.weight.sum(-1) * mel.mean((0, 2))).sum(-1))
