"""Stage 5: the language model.

Products are in bfloat16; Muon trains the matrices of the layers, AdamW embeddings and heads. Besides predicting text
and codes, one head of two layers is trained to attend to the next phone, known from the teacher's durations. The weight
of this loss falls to zero; inference does not change.

    python -m recipes.fish_mini.train_lm --work WORK --minutes 120 [--end 1.0]
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from backends.fish.v0_2.lm.model import LanguageModel
from recipes.common.arrivals import Arrivals
from recipes.common.optim import rate
from recipes.common.prefetch import prefetch
from recipes.common.run import Run, run, run_arguments
from recipes.common.workspace import CODES, HELD_OUT_SHARD, LANGUAGE_MODEL, Log
from recipes.fish_mini.columns import Batch, Sequences, build_sequence, read, stack
from recipes.fish_mini.exported import read_lm
from recipes.fish_mini.lm import build_lm, losses, matrices

STATE = "lm.pt"
PATIENCE_S = 60.0  # wait for the first shards
GUIDE, GUIDE_UNTIL = 0.3, 0.8  # initial weight, and the progress at which it is zero


class Training(Run[LanguageModel]):
    """Training of the language model.

    :param columns: most columns of a batch.
    :param start: folder of an exported model to start from.
    :param shards: number of shards to wait for; later ones are used as they arrive.

    :ivar frames: frames trained on so far.
    """

    def __init__(
        self,
        work: Path,
        *,
        columns: int,
        muon: float,
        adam: float,
        seed: int,
        device: torch.device,
        start: Path | None = None,
        shards: int = 1,
    ):
        self.frames, self._device = 0, device
        model = build_lm()
        if start is not None:
            model.load_state_dict(read_lm(start))
        super().__init__(work / LANGUAGE_MODEL / STATE, model.to(device), matrices(model), muon, adam)
        arrivals = Arrivals(work / CODES, partial(read, work))
        utterances = arrivals.first(shards, PATIENCE_S)
        self._sequences = Sequences(utterances, seed=seed + self.optimizer.steps, columns=columns, more=arrivals)
        batches = iter(self._sequences)
        self._batches = prefetch(batches) if device.type == "cuda" else batches
        self._held_out = stack([build_sequence([one]) for one in read(work, HELD_OUT_SHARD)]).to(device)

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        batch = next(self._batches).to(self._device)
        weight = GUIDE * max(0.0, 1 - self.progress / GUIDE_UNTIL)
        found = self._losses(self.model, batch, guided=weight > 0)
        total = found["text"] + found["codes"]
        if weight:
            total = total + weight * found["guide"]
        total.backward()  # type: ignore[no-untyped-call]
        length = self.optimizer.step(rate(self.progress, self.optimizer.steps))
        self.average.update(self.model)
        self.frames += batch.frames
        values = {name: float(value.detach()) for name, value in found.items()}
        return values | {"gradient": length, "frames": float(self.frames), "utterances": self._sequences.size}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return losses on held-out sentences, with averaged weights."""
        model = build_lm().to(self._device)
        model.load_state_dict(self.average.weights)
        return {f"held_out_{name}": float(value) for name, value in self._losses(model, self._held_out, True).items()}

    def extra_state(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"frames": self.frames}

    def load(self, saved: dict[str, Any]) -> None:
        """See :class:`Run`."""
        super().load(saved)
        self.frames = saved["frames"]

    def _losses(self, model: LanguageModel, batch: Batch, guided: bool) -> dict[str, torch.Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16):
            return losses(model, batch.ids, batch.text, batch.codes, batch.phone_columns, guided)


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=120, every=50, seed=3)
    parser.set_defaults(adam=1.5e-3)
    parser.add_argument("--columns", type=int, default=6144, help="most columns of a batch")
    parser.add_argument("--muon", type=float, default=0.02, help="learning rate of Muon")
    parser.add_argument("--shards", type=int, default=1, help="number of shards to wait for before training starts")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()
    log = Log(args.work / LANGUAGE_MODEL / "lm.jsonl")

    def start() -> Training:
        training = Training(
            args.work,
            columns=args.columns,
            muon=args.muon,
            adam=args.adam,
            seed=args.seed,
            device=args.device,
            start=args.start,
            shards=args.shards,
        )
        log(parameters=sum(value.numel() for value in training.model.parameters()))
        return training

    run(args, log, 4 * args.every, start)


if __name__ == "__main__":
    main()
