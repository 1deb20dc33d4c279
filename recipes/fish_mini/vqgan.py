"""The codec for training: the networks of ``backends/fish/v0_2/codec`` with gradients; the export adds weight norm.

T is in mel frames, or code frames where noted; C is the number of channels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from backends.fish.v0_2.codec import mel as codec_mel
from backends.fish.v0_2.codec.hifigan import DILATIONS, EDGE_KERNEL, KERNELS, LAST_SLOPE, SLOPE, UPSAMPLINGS
from backends.fish.v0_2.codec.wavenet import KERNEL, LAYERS
from backends.fish.v0_2.config import CODEBOOKS, FRAME_HOPS, HOP_SAMPLES, RATE_HZ
from recipes.fish_mini.quantizer import GroupedCodebooks

MELS = codec_mel.MELS


@dataclass(frozen=True)
class Widths:
    """Channel sizes; the engine reads them from the file.

    :param near: layers of the encoder with a kernel of three taps; the others have one, so that a code depends on
        nearby sound only and codes can be concatenated.
    :param waves: channels of the generator before and after each up-sampling; the classic code requires halves.
    :param blocks: number of the three residual blocks of each stage that are trained; the others are zero.
    """

    first: int = 256
    hidden: int = 192
    vq: int = 128
    codes: int = 160
    near: int = 3
    waves: tuple[int, ...] = (192, 96, 48, 24, 12)
    blocks: tuple[int, ...] = (3, 3, 2, 1)

    def as_dict(self) -> dict[str, object]:
        """Return the sizes for a checkpoint."""
        return asdict(self)


class LogMel(nn.Module):
    """The spectrogram of ``backends/fish/v0_2/codec/mel.py`` for batches."""

    def __init__(self) -> None:
        super().__init__()
        bins = codec_mel.WINDOW_SAMPLES // 2 + 1
        bank = melscale_fbanks(bins, 0.0, codec_mel.MAX_HZ, MELS, RATE_HZ, norm="slaney", mel_scale="slaney")
        self.register_buffer("window", torch.hann_window(codec_mel.WINDOW_SAMPLES), persistent=False)
        self.register_buffer("bank", bank.mT.contiguous(), persistent=False)
        self.window: Tensor
        self.bank: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Map (B, N) to (B, M, N // 256)."""
        edge = codec_mel.EDGE_SAMPLES
        padded = F.pad(samples[:, None], (edge, edge), mode="reflect")[:, 0]
        size, window = codec_mel.WINDOW_SAMPLES, self.window
        spectrum = torch.stft(padded, size, HOP_SAMPLES, window=window, center=False, return_complex=True)
        magnitude = torch.view_as_real(spectrum).square().sum(-1).add(codec_mel.POWER_FLOOR).sqrt()
        return (self.bank @ magnitude).clamp(min=codec_mel.MAGNITUDE_FLOOR).log()


class Downsampler(nn.Module):
    """Two strided convolutions, (B, M, T) to (B, C, T / 4)."""

    def __init__(self, widths: Widths):
        super().__init__()
        sizes = (MELS, widths.first, widths.hidden)
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv1d(sizes[i], sizes[i + 1], 3, 2, 1), nn.LayerNorm(sizes[i + 1])) for i in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Halve the rate twice."""
        for pair in self.convs:
            x = F.gelu(pair[1](pair[0](x).mT)).mT  # type: ignore[index]
        return x


class WaveNet(nn.Module):
    """Dilated convolutions with gates, (B, C, T) to (B, C, T) or (B, outputs, T).

    :param near: layers with a kernel of three; the others have one.
    """

    def __init__(self, channels: int, near: int = LAYERS, outputs: int | None = None):
        super().__init__()
        kernels = [KERNEL if layer < near else 1 for layer in range(LAYERS)]
        self.in_layers = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, size, dilation=2**layer, padding=size // 2 * 2**layer)
            for layer, size in enumerate(kernels)
        )
        widths = [2 * channels] * (LAYERS - 1) + [channels]
        self.res_skip_layers = nn.ModuleList(nn.Conv1d(channels, width, 1) for width in widths)
        self.out_layer = None if outputs is None else nn.Conv1d(channels, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Pass residuals to the next layer and sum the skip connections."""
        total: Tensor | None = None
        for gate, skip in zip(self.in_layers, self.res_skip_layers, strict=True):
            signal, opening = gate(x).chunk(2, dim=1)
            output = skip(torch.tanh(signal) * torch.sigmoid(opening))
            if output.shape[1] > x.shape[1]:
                residual, output = output.chunk(2, dim=1)
                x = x + residual
            total = output if total is None else total + output
        assert total is not None
        return total if self.out_layer is None else self.out_layer(total)


class Generator(nn.Module):
    """HiFi-GAN, (B, M, T) to (B, 256 T)."""

    def __init__(self, widths: Widths):
        super().__init__()
        waves = widths.waves
        self.blocks = widths.blocks
        self.conv_pre = nn.Conv1d(MELS, waves[0], EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(waves[i], waves[i + 1], size, stride, (size - stride) // 2)
            for i, (stride, size) in enumerate(UPSAMPLINGS)
        )
        self.resblocks = nn.ModuleList(ResBlock(width, size) for width in waves[1:] for size in KERNELS)
        self.conv_post = nn.Conv1d(waves[-1], 1, EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        for stage, trained in enumerate(self.blocks):
            for block in self.resblocks[stage * len(KERNELS) + trained : (stage + 1) * len(KERNELS)]:
                for parameter in block.parameters():
                    nn.init.zeros_(parameter.requires_grad_(False))

    def forward(self, x: Tensor) -> Tensor:
        """Generate sound from a mel spectrogram."""
        x = self.conv_pre(x)
        for stage, (up, trained) in enumerate(zip(self.ups, self.blocks, strict=True)):
            x = up(F.leaky_relu(x, SLOPE))
            first = stage * len(KERNELS)
            total = sum(block(x) for block in self.resblocks[first : first + trained])
            x = (total + (len(KERNELS) - trained) * x) / len(KERNELS)
        return torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))[:, 0]

    def matrices(self) -> set[str]:
        """Names of the trained kernels, except the last, which has one channel."""
        named = self.named_parameters()
        return {name for name, value in named if value.requires_grad and value.ndim > 1 and value.shape[0] > 1}


def normalize_input(layer: nn.Conv1d, mel: Tensor) -> None:
    """Initialize a layer so that it normalizes the spectrogram, which an optimizer would learn slowly.

    :param mel: log, (B, M, T).
    """
    with torch.no_grad():
        layer.weight.div_(mel.std())
        if layer.bias is not None:
            layer.bias.sub_((layer.weight.sum(-1) * mel.mean((0, 2))).sum(-1))


class ResBlock(nn.Module):
    """Three pairs of convolutions, each added to its input."""

    def __init__(self, channels: int, size: int):
        super().__init__()

        def conv(dilation: int) -> nn.Conv1d:
            return nn.Conv1d(channels, channels, size, dilation=dilation, padding=size // 2 * dilation)

        self.convs1 = nn.ModuleList(conv(dilation) for dilation in DILATIONS)
        self.convs2 = nn.ModuleList(conv(1) for _ in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T) to the same shape."""
        for wide, narrow in zip(self.convs1, self.convs2, strict=True):
            x = x + narrow(F.leaky_relu(wide(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class Quantizer(nn.Module):
    """Vector quantization with a straight-through gradient."""

    def __init__(self, widths: Widths):
        super().__init__()
        self.conv_in = nn.Conv1d(widths.hidden, widths.vq, 1)
        self.conv_out = nn.Sequential(nn.Identity(), nn.Conv1d(widths.vq, widths.hidden, 1))
        self.vq = GroupedCodebooks(CODEBOOKS, widths.codes, widths.vq // CODEBOOKS)

    def encode(self, x: Tensor) -> Tensor:
        """Map (B, C, T) to codes, int64 (B, K, T), T in code frames."""
        return self.vq.codes(self.conv_in(x).float())

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes (B, K, T) to (B, C, T), T in code frames."""
        output: Tensor = self.conv_out(self.vq.vectors(codes))
        return output

    def forward(self, x: Tensor, free: bool = False) -> tuple[Tensor, Tensor]:
        """Quantize (B, C, T), T in code frames; also return the commitment loss.

        :param free: do not quantize; used before the codebooks exist.
        """
        features = self.conv_in(x).float()
        if free:
            return self.conv_out(features), features.square().mean() * 0
        quantized = self.vq(features)
        commitment = F.mse_loss(features, quantized)
        return self.conv_out(features + (quantized - features).detach()), commitment


class MelCodec(nn.Module):
    """Mel spectrogram to codes and back; names are those of the official checkpoint."""

    def __init__(self, widths: Widths):
        super().__init__()
        self.downsample = Downsampler(widths)
        self.mel_encoder = WaveNet(widths.hidden, near=widths.near)
        self.vq_encoder = Quantizer(widths)
        self.decoder = WaveNet(widths.hidden, outputs=MELS)

    def encode(self, mel: Tensor) -> Tensor:
        """Map (B, M, T) to codes, int64 (B, K, ceil(T / 4))."""
        return self.vq_encoder.encode(self.mel_encoder(self.downsample(mel)))

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes (B, K, T) to (B, M, 4 T), T in code frames."""
        output: Tensor = self.decoder(self.vq_encoder.decode(codes).repeat_interleave(FRAME_HOPS, dim=-1))
        return output

    def forward(self, mel: Tensor, free: bool = False) -> tuple[Tensor, Tensor]:
        """Encode and decode (B, M, T), T a multiple of 4; also return the commitment loss."""
        features, commitment = self.vq_encoder(self.mel_encoder(self.downsample(mel)), free)
        return self.decoder(features.repeat_interleave(FRAME_HOPS, dim=-1)), commitment
