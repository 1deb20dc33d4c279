"""Stage 5: the language model.

bfloat16 products, Muon for the matrices in the layers, AdamW for embeddings and heads. Besides text row and codes one
head of two layers is taught to look at the phone that is spoken next, which the teacher's durations tell; this weighs
less and less and costs nothing at inference.

    python -m recipes.fish_mini.train_lm --work WORK --minutes 120 [--end 1.0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from recipes.fish_mini.columns import ALTERED, Batch, Sequences, joined, names, read, stack
from recipes.fish_mini.lm import LanguageModel, losses
from recipes.fish_mini.optim import Average, Optimizer, rate
from recipes.fish_mini.places import CODES, HELD_OUT_SHARD, LANGUAGE_MODEL, Clock, Log

STATE = "lm.pt"
GUIDE, GUIDE_UNTIL = 0.3, 0.8  # weight at first, and the progress at which there is none left


class Training:
    """The network, its optimizer and its data, saved and resumed as a whole."""

    def __init__(self, work: Path, columns: int, muon: float, adam: float, seed: int):
        torch.manual_seed(seed)
        self.model = LanguageModel()
        self.optimizer = Optimizer(self.model, self.model.matrices(), muon, adam)
        self.average = Average(self.model)
        self.progress, self.frames = 0.0, 0
        self._path = work / LANGUAGE_MODEL / STATE
        if self._path.exists():
            self._load(torch.load(self._path, weights_only=True))
        utterances = [one for name in names(work) for one in read(work, name)]
        altered = [one for path in sorted((work / CODES).glob(f"{ALTERED}_*.npz")) for one in read(work, path.stem)]
        self.utterances = len(utterances)
        sequences = Sequences(utterances, altered, seed=seed + self.optimizer.steps, columns=columns)
        self._batches: Iterator[Batch] = iter(sequences)
        self._held_out = stack([joined([one]) for one in read(work, HELD_OUT_SHARD)])

    def step(self) -> dict[str, float]:
        """One step, and its losses."""
        batch = next(self._batches)
        weight = GUIDE * max(0.0, 1 - self.progress / GUIDE_UNTIL)
        found = self._losses(self.model, batch, guided=weight > 0)
        total = found["text"] + found["codes"]
        if weight:
            total = total + weight * found["guide"]
        total.backward()  # type: ignore[no-untyped-call]
        length = self.optimizer.step(rate(self.progress, self.optimizer.steps))
        self.average.update(self.model)
        self.frames += batch.frames
        return {name: float(value.detach()) for name, value in found.items()} | {"gradient": length}

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """On held-out sentences, with averaged weights."""
        model = LanguageModel()
        model.load_state_dict(self.average.weights)
        return {f"held_out_{name}": float(value) for name, value in self._losses(model, self._held_out, True).items()}

    def save(self) -> None:
        """Everything needed to go on."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.weights,
                "optimizer": self.optimizer.state(),
                "progress": self.progress,
                "frames": self.frames,
            },
            part,
        )
        part.replace(self._path)

    def _losses(self, model: LanguageModel, batch: Batch, guided: bool) -> dict[str, torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return losses(model, batch.ids, batch.text, batch.codes, batch.places, guided)

    def _load(self, saved: dict[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.average.load(saved["average"], saved["optimizer"]["steps"])
        self.optimizer.load(saved["optimizer"])
        self.progress, self.frames = saved["progress"], saved["frames"]


def main() -> None:
    """Train for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument(
        "--end", type=float, default=1.0, help="progress reached in this time; at 1 the rate is nothing"
    )
    parser.add_argument("--columns", type=int, default=6144, help="of a batch")
    parser.add_argument("--muon", type=float, default=0.02, help="its learning rate")
    parser.add_argument("--adam", type=float, default=1.5e-3)
    parser.add_argument("--every", type=int, default=50, help="steps between reports")
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    clock, log = Clock(asked.minutes), Log(asked.work / LANGUAGE_MODEL / "lm.jsonl")
    training = Training(asked.work, asked.columns, asked.muon, asked.adam, asked.seed)
    log(utterances=training.utterances, parameters=sum(value.numel() for value in training.model.parameters()))
    began, frames = training.progress, training.frames
    while not clock.over:
        training.progress = began + (asked.end - began) * clock.part
        found = training.step()
        steps = training.optimizer.steps
        if steps % asked.every == 0:
            pace = (training.frames - frames) / clock.spent
            log(step=steps, progress=training.progress, seconds=clock.spent, frames_per_s=pace, **found)
        if steps % (4 * asked.every) == 0:
            log(step=steps, **training.judge())
            training.save()
    training.progress = asked.end
    training.save()
    log(step=training.optimizer.steps, frames=training.frames, **training.judge())


if __name__ == "__main__":
    main()
