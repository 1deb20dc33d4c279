"""Stage 3a: the codec's lower half, from a spectrogram to codes and back.

It works at 86 frames a second or less, so this is the cheap half. After some steps without codebooks, k-means
initializes them and a moving average updates them; the loss is the distance of log-mels.

    python -m recipes.fish_mini.codec_mel --work WORK --minutes 60 [--end 1.0]
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from backends.fish.v0_2.codec.mel import LogMel
from backends.fish.v0_2.config import HOP_SAMPLES
from recipes.common.export import average
from recipes.common.optim import Average, rate
from recipes.common.run import Run, run, run_arguments
from recipes.common.sound import Crops, shard_names
from recipes.common.workspace import CODEC, HELD_OUT_SHARD, Log
from recipes.fish_mini.exported import load_mel_codec
from recipes.fish_mini.vqgan import WIDTHS, MelCodec, normalize_input

STATE = "mel.pt"
COMMITMENT = 0.25
FREE_STEPS, START_BATCHES = 200, 8


class Training(Run[MelCodec]):
    """Training of the codec's lower half."""

    def __init__(self, work: Path, frames: int, rows: int, adam: float, seed: int, start: Path | None = None):
        self.mel, model = LogMel(), MelCodec()
        if start is not None:
            model.load_state_dict(load_mel_codec(start).state_dict())
        super().__init__(work / CODEC / STATE, model, set(), 0.0, adam)
        self._samples, self._rows = frames * HOP_SAMPLES, rows
        self._crops = Crops(work, shard_names(work), seed + self.optimizer.steps)
        self._held_out = Crops(work, [HELD_OUT_SHARD], 0)(16, self._samples)
        if start is None and not self.optimizer.steps:
            self._init_outer_layers()

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        steps, free = self.optimizer.steps, not self.model.books[0].embed.any()
        if free and steps == FREE_STEPS:
            self._start_codebooks()
            free = False
        mel = self.mel(self._crops(self._rows, self._samples))
        output, commitment = self.model(mel, free=free)
        distance = F.l1_loss(output, mel)
        (distance + COMMITMENT * commitment).backward()
        length = self.optimizer.step(rate(self.progress, steps))
        self.average.update(self.model)
        return {"l1": float(distance.detach()), "commitment": float(commitment.detach()), "gradient": length}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return the held-out distance, the share of codes in use and their entropy in bits, with averaged weights."""
        model = MelCodec().eval()
        model.load_state_dict(self.average.weights)
        mel = self.mel(self._held_out)
        codes = model.encode(mel)
        counts = torch.stack(
            [torch.bincount(part.flatten(), minlength=WIDTHS.codebook_size) for part in codes.unbind(1)]
        )
        share = counts / counts.sum(-1, keepdim=True)
        bits = -(share * share.clamp(min=1e-9).log2()).sum(-1)
        return {
            "held_out_l1": float(F.l1_loss(model.decode(codes), mel)),
            "used": float((counts > 0).float().mean()),
            "bits": float(bits.sum()),
        }

    @torch.no_grad()
    def _init_outer_layers(self) -> None:
        """Initialize the outer layers with the spectrogram's statistics, which Adam would learn slowly."""
        mel = self.mel(self._crops(64, self._samples))
        first, last = self.model.downsample.convs[0][0], self.model.decoder.out_layer  # type: ignore[index]
        normalize_input(first, mel)
        last.weight.mul_(mel.std())  # type: ignore[union-attr]
        last.bias.copy_(mel.mean((0, 2)))  # type: ignore[union-attr]
        self.average = Average(self.model)

    @torch.no_grad()
    def _start_codebooks(self) -> None:
        model, features = self.model, []
        for _ in range(START_BATCHES):
            mel = self.mel(self._crops(self._rows, self._samples))
            features.append(model.mel_encoder(model.downsample(mel)))
        model.start_codebooks(torch.cat(features))


def load_codec(work: Path) -> MelCodec:
    """Load the averaged weights of a run."""
    codec = MelCodec()
    codec.load_state_dict(average(work / CODEC / STATE))
    return codec.eval().requires_grad_(False)


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=60, every=100, seed=1)
    parser.add_argument("--frames", type=int, default=256, help="mel frames per row")
    parser.add_argument("--rows", type=int, default=16)
    args = parser.parse_args()
    log = Log(args.work / CODEC / "mel.jsonl")

    def start() -> Training:
        return Training(args.work, args.frames, args.rows, args.adam, args.seed, args.start)

    run(args, log, 2 * args.every, start)


if __name__ == "__main__":
    main()
