"""Stage 3b: the codec's upper half, from a spectrogram to sound (HiFi-GAN without its discriminators).

The loss has spectral distances at several resolutions only: on a CPU a discriminator would halve the number of steps,
which are scarce. Muon trains the kernels: 200 steps with it reach a lower loss than 400 with AdamW alone. Training
starts on true spectrograms (``--mels true``, while stage 3a runs) and continues on decoded ones (``--mels coded``),
which the generator receives at inference.

    python -m recipes.fish_mini.codec_wave --work WORK --minutes 60 --end 0.6
    python -m recipes.fish_mini.codec_wave --work WORK --minutes 60 --mels coded
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.fish.v0_2.codec.hifigan import HiFiGAN
from backends.fish.v0_2.codec.mel import LogMel
from backends.fish.v0_2.config import HOP_SAMPLES
from recipes.common.optim import Average, rate
from recipes.common.run import Run, run, run_arguments
from recipes.common.sound import Crops, shard_names
from recipes.common.spectral import SpectralDistance
from recipes.common.workspace import CODEC, HELD_OUT_SHARD, Log
from recipes.fish_mini.codec_mel import load_codec
from recipes.fish_mini.exported import load_generator
from recipes.fish_mini.vqgan import MelCodec, build_generator, matrices, normalize_input

STATE = "wave.pt"
CODED_FRAMES = 256  # from which crops are taken: codes depend on the frames around them


class Training(Run[HiFiGAN]):
    """Training of the codec's upper half."""

    def __init__(
        self,
        work: Path,
        *,
        frames: int,
        rows: int,
        coded: bool,
        muon: float,
        adam: float,
        seed: int,
        start: Path | None = None,
    ):
        self.mel, self._distance = LogMel(), SpectralDistance()
        model = build_generator()
        if start is not None:
            stored = load_generator(start).state_dict()
            model.load_state_dict({name: stored[name] for name in model.state_dict()})
        super().__init__(work / CODEC / STATE, model, matrices(model), muon, adam)
        self._codec: MelCodec | None = load_codec(work) if coded else None
        self._frames, self._rows = frames, rows
        self._crops = Crops(work, shard_names(work), seed + self.optimizer.steps)
        self._held_out = Crops(work, [HELD_OUT_SHARD], 0)(8, CODED_FRAMES * HOP_SAMPLES)
        if start is None and not self.optimizer.steps:
            normalize_input(self.model.conv_pre, self.mel(self._crops(64, frames * HOP_SAMPLES)))
            self.average = Average(self.model)

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        mel, target = self._batch()
        with torch.autocast("cpu", torch.bfloat16):
            generated = self.model(mel)[:, 0]
        generated = generated.float()
        near, spectral = F.l1_loss(self.mel(generated), self.mel(target)), self._distance(generated, target)
        (near + spectral).backward()
        length = self.optimizer.step(rate(self.progress, self.optimizer.steps))
        self.average.update(self.model)
        return {"mel": float(near.detach()), "spectral": float(spectral.detach()), "gradient": length}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return losses on held-out sound, with averaged weights."""
        model = build_generator()
        model.load_state_dict(self.average.weights)
        target = self._held_out
        mel = self.mel(target)
        if self._codec is not None:
            mel = self._codec(mel)[0]
        generated = model(mel)[:, 0]
        return {
            "held_out_mel": float(F.l1_loss(self.mel(generated), self.mel(target))),
            "held_out_spectral": float(self._distance(generated, target)),
        }

    @torch.no_grad()
    def _batch(self) -> tuple[Tensor, Tensor]:
        """Draw spectrograms (B, M, T) and their sound (B, 256 T), T in mel frames."""
        if self._codec is None:
            samples = self._crops(self._rows, self._frames * HOP_SAMPLES)
            return self.mel(samples), samples
        pieces = CODED_FRAMES // self._frames // 2  # from the middle half of a longer stretch
        samples = self._crops(-(-self._rows // pieces), CODED_FRAMES * HOP_SAMPLES)
        mel = self._codec(self.mel(samples))[0]
        first, last = CODED_FRAMES // 4, CODED_FRAMES // 4 + pieces * self._frames
        cut = torch.unflatten(mel[..., first:last], -1, (pieces, -1)).transpose(1, 2).flatten(0, 1)
        sound = torch.unflatten(samples[:, first * HOP_SAMPLES : last * HOP_SAMPLES], -1, (pieces, -1)).flatten(0, 1)
        return cut[: self._rows].contiguous(), sound[: self._rows].contiguous()


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=60, every=100, seed=2)
    parser.add_argument("--mels", choices=("true", "coded"), default="true")
    parser.add_argument("--muon", type=float, default=0.01, help="learning rate of Muon")
    parser.add_argument("--frames", type=int, default=32, help="mel frames per row")
    parser.add_argument("--rows", type=int, default=8)
    args = parser.parse_args()
    log, coded = Log(args.work / CODEC / "wave.jsonl"), args.mels == "coded"

    def start() -> Training:
        return Training(
            args.work,
            frames=args.frames,
            rows=args.rows,
            coded=coded,
            muon=args.muon,
            adam=args.adam,
            seed=args.seed,
            start=args.start,
        )

    run(args, log, 2 * args.every, start)


if __name__ == "__main__":
    main()
