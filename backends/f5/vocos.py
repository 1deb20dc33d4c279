"""Networks of Vocos (arXiv 2306.00814) for mel spectrograms, under the names of its checkpoints.

The package vocos is not used: it imports encodec, which is not for commercial use.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NORM_EPS = 1e-6
MAX_MAGNITUDE = 100.0


class ConvNeXtBlock(nn.Module):
    """ConvNeXt block in one dimension: a depthwise convolution, then a scaled MLP of each frame."""

    def __init__(self, dim: int, intermediate_dim: int, layer_scale: float):
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.pwconv1 = nn.Linear(dim, intermediate_dim)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(intermediate_dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, D, T) to (B, D, T)."""
        hidden = self.norm(self.dwconv(features).transpose(1, 2))  # (B, T, D)
        scaled: Tensor = self.gamma * self.pwconv2(self.act(self.pwconv1(hidden)))
        return features + scaled.transpose(1, 2)


class VocosBackbone(nn.Module):
    """ConvNeXt backbone at the frame rate of the mel. Arguments are those of a checkpoint's ``config.yaml``."""

    def __init__(
        self,
        input_channels: int,
        dim: int,
        intermediate_dim: int,
        num_layers: int,
        layer_scale_init_value: float | None = None,
    ):
        super().__init__()
        self.embed = nn.Conv1d(input_channels, dim, kernel_size=7, padding=3)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        scale = layer_scale_init_value or 1 / num_layers
        self.convnext = nn.ModuleList(ConvNeXtBlock(dim, intermediate_dim, scale) for _ in range(num_layers))
        self.final_layer_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.apply(_init_weights)

    def forward(self, mels: Tensor) -> Tensor:
        """Map mels, (B, M, T), to features, (B, T, D)."""
        features = self.norm(self.embed(mels).transpose(1, 2)).transpose(1, 2)  # (B, D, T)
        for block in self.convnext:
            features = block(features)
        normed: Tensor = self.final_layer_norm(features.transpose(1, 2))
        return normed


class ISTFT(nn.Module):
    """Inverse short-time Fourier transform with a Hann window."""

    window: Tensor

    def __init__(self, n_fft: int, hop_length: int):
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("window", torch.hann_window(n_fft))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Map a complex spectrum, (B, n_fft / 2 + 1, T), to samples, (B, hop_length (T - 1))."""
        return torch.istft(spectrum, self.n_fft, self.hop_length, self.n_fft, self.window)


class ISTFTHead(nn.Module):
    """Predicts magnitudes and phases, and transforms them to audio. Arguments are those of ``config.yaml``.

    :raises ValueError: unless ``padding`` is center; the package also knows same, which is its default.
    """

    def __init__(self, dim: int, n_fft: int, hop_length: int, padding: str = "same"):
        super().__init__()
        if padding != "center":
            raise ValueError(f"padding {padding!r} is not supported, only 'center'")
        self.out = nn.Linear(dim, n_fft + 2)
        self.istft = ISTFT(n_fft, hop_length)

    def forward(self, features: Tensor) -> Tensor:
        """Map features, (B, T, D), to samples, (B, hop_length (T - 1))."""
        log_magnitude, phase = self.out(features).transpose(1, 2).chunk(2, dim=1)
        magnitude = torch.exp(log_magnitude).clip(max=MAX_MAGNITUDE)
        samples: Tensor = self.istft(magnitude * (torch.cos(phase) + 1j * torch.sin(phase)))
        return samples


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
