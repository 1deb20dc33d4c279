"""Stage 6: the vocoder, a Vocos (arXiv 2306.00814) without its discriminators.

Trained with spectral distances only, from scratch or from existing weights. Sound has a random gain.

    python -m recipes.f5_mini.vocoder --work WORK --minutes 30 [--end 0.5] [--from FOLDER] [--device cuda]

T is in mel frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from backends.f5.config import HOP_SAMPLES, MELS, RATE_HZ, WINDOW_SAMPLES
from backends.f5.mel import SILENCE
from backends.f5.vocoder import Vocoder
from backends.f5.vocos import ISTFTHead, VocosBackbone
from recipes.common.optim import rate
from recipes.common.run import Run, run, run_arguments
from recipes.common.sound import Crops, shard_names
from recipes.common.spectral import SpectralDistance
from recipes.common.workspace import HELD_OUT_SHARD, Log

FOLDER, STATE = "vocoder", "vocoder.pt"
BACKBONE: dict[str, int] = {"input_channels": MELS, "dim": 256, "intermediate_dim": 768, "num_layers": 6}
HEAD: dict[str, Any] = {"dim": 256, "n_fft": WINDOW_SAMPLES, "hop_length": HOP_SAMPLES, "padding": "center"}
WEIGHTS_FILE = "pytorch_model.bin"
MEL_WEIGHT = 5.0
GAIN_DB = (-3.0, 13.0)  # the teacher is 7 dB quieter than a reference that the engine has normalized
HELD_OUT_FRAMES = 256


class LogMels(nn.Module):
    """The spectrogram of ``backends/f5/mel.py`` for batches, with gradients and on any device."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = MelSpectrogram(
            RATE_HZ, WINDOW_SAMPLES, WINDOW_SAMPLES, HOP_SAMPLES, n_mels=MELS, power=1, norm=None, mel_scale="htk"
        )

    def forward(self, samples: Tensor) -> Tensor:
        """Map (B, N) to (B, M, N // 256 + 1)."""
        mel: Tensor = self.spectrum(samples).clamp(min=SILENCE).log()
        return mel


def new_vocoder() -> Vocoder:
    """Build the engine's vocoder in this size."""
    return Vocoder(VocosBackbone(**BACKBONE), ISTFTHead(**HEAD))


def generate(vocoder: Vocoder, mels: Tensor) -> Tensor:
    """Map (B, M, T) to (B, 256 (T - 1)), with a backbone in bfloat16; phases need float32."""
    with torch.autocast(mels.device.type, torch.bfloat16):
        features = vocoder.backbone(mels)
    waves: Tensor = vocoder.head(features.float())
    return waves


def load_weights(vocoder: Vocoder, folder: Path) -> None:
    """Load weights from a folder in the layout of charactr/vocos-mel-24khz."""
    found = torch.load(folder / WEIGHTS_FILE, map_location="cpu", weights_only=True)
    vocoder.load_state_dict({name: found[name] for name in found if name.startswith(("backbone.", "head."))})


class Training(Run[Vocoder]):
    """Training of the vocoder."""

    def __init__(
        self, work: Path, *, start: Path | None, frames: int, rows: int, adam: float, seed: int, device: torch.device
    ):
        path, vocoder = work / FOLDER / STATE, new_vocoder()
        if start is not None and not path.exists():
            load_weights(vocoder, start)
        super().__init__(path, vocoder.to(device), set(), 0.0, adam)
        self._mels, self._distance = LogMels().to(device), SpectralDistance().to(device)
        self._frames, self._rows, self._seed, self._device = frames, rows, seed, device
        self._crops = Crops(work, shard_names(work), seed + self.optimizer.steps)
        self._held_out = random_gain(Crops(work, [HELD_OUT_SHARD], 0)(8, HELD_OUT_FRAMES * HOP_SAMPLES), seed).to(
            device
        )

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        steps = self.optimizer.steps
        samples = self._crops(self._rows, self._frames * HOP_SAMPLES)
        target = random_gain(samples, self._seed * 10_000_000 + steps).to(self._device)
        near, spectral = self._losses(self.model, target)
        (MEL_WEIGHT * near + spectral).backward()  # type: ignore[no-untyped-call]
        length = self.optimizer.step(rate(self.progress, steps))
        self.average.update(self.model)
        return {"mel": float(near.detach()), "spectral": float(spectral.detach()), "gradient": length}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return losses on held-out sound, with averaged weights."""
        model = new_vocoder().to(self._device)
        model.load_state_dict(self.average.weights)
        near, spectral = self._losses(model.eval(), self._held_out)
        return {"held_out_mel": float(near), "held_out_spectral": float(spectral)}

    def _losses(self, model: Vocoder, target: Tensor) -> tuple[Tensor, Tensor]:
        mels = self._mels(target)
        generated = generate(model, mels)
        return F.l1_loss(self._mels(generated), mels), self._distance(generated, target)


def random_gain(samples: Tensor, seed: int) -> Tensor:
    """Change the gain of each row of (B, N) at random."""
    least, most = GAIN_DB
    generator = torch.Generator().manual_seed(seed)
    return samples * 10 ** (torch.empty(len(samples), 1).uniform_(least, most, generator=generator) / 20)


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=30, every=100, seed=4)
    parser.add_argument("--frames", type=int, default=48, help="mel frames per row")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()

    def start() -> Training:
        return Training(
            args.work,
            start=args.start,
            frames=args.frames,
            rows=args.rows,
            adam=args.adam,
            seed=args.seed,
            device=args.device,
        )

    run(args, Log(args.work / FOLDER / "vocoder.jsonl"), 2 * args.every, start)


if __name__ == "__main__":
    main()
