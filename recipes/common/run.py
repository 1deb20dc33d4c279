"""Resumable training with a time limit."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from recipes.common.optim import Average, Optimizer
from recipes.common.workspace import Clock, Log

N = TypeVar("N", bound=nn.Module)


class Run(ABC, Generic[N]):
    """A network in training.

    :param path: file of the state; training resumes from it if it exists.
    :param matrices: names of the parameters that Muon trains.

    :ivar progress: 0 to 1; the learning rate follows it.
    """

    def __init__(self, path: Path, model: N, matrices: Set[str], muon: float, adam: float):
        self.model = model
        self.optimizer = Optimizer(model, set(matrices), muon, adam)
        self.average = Average(model)
        self.progress = 0.0
        self._path = path
        if path.exists():
            self.load(torch.load(path, map_location="cpu", weights_only=True))

    @abstractmethod
    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Return the losses of the averaged weights on held-out data."""

    def extra_state(self) -> dict[str, Any]:
        """Return further values to save."""
        return {}

    def load(self, saved: dict[str, Any]) -> None:
        """Restore a state."""
        self.model.load_state_dict(saved["model"])
        self.average.load(saved["average"], saved["optimizer"]["steps"])
        self.optimizer.load(saved["optimizer"])
        self.progress = saved["progress"]

    def save(self) -> None:
        """Write the state."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.weights,
                "optimizer": self.optimizer.state(),
                "progress": self.progress,
                **self.extra_state(),
            },
            part,
        )
        part.replace(self._path)

    def train(self, clock: Clock, end: float, every: int, evaluate_every: int, log: Log) -> None:
        """Train until the time is up.

        :param end: progress at that moment.
        :param every: steps between reports.
        :param evaluate_every: steps between evaluations; the state is saved after each.
        """
        began = self.progress
        while not clock.over:
            self.progress = began + (end - began) * clock.part
            losses = self.step()
            steps = self.optimizer.steps
            if steps % every == 0:
                log(step=steps, progress=self.progress, seconds=clock.spent, **losses)
            if steps % evaluate_every == 0:
                log(step=steps, **self.evaluate())
                self.save()
        self.progress = end
        self.save()
        log(step=self.optimizer.steps, **self.evaluate())


def run_arguments(about: str | None, minutes: float, every: int, seed: int) -> argparse.ArgumentParser:
    """Build the parser of a training command with a stage's defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument(
        "--end", type=float, default=1.0, help="progress reached in this time; at 1 the learning rate is zero"
    )
    parser.add_argument("--from", dest="start", type=Path, default=None, help="exported model to start from")
    parser.add_argument("--begin", type=float, default=0.0, help="progress of a stage that has no state yet")
    parser.add_argument("--adam", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--every", type=int, default=every, help="steps between reports")
    parser.add_argument("--seed", type=int, default=seed)
    return parser


def run(args: argparse.Namespace, log: Log, evaluate_every: int, start: Callable[[], Run[Any]]) -> None:
    """Train with parsed arguments; the time limit includes loading."""
    clock = Clock(args.minutes)
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)  # attention has many denormals; they made a step of f5-mini's flow 9 % slower
    training = start()
    if not training.optimizer.steps:
        training.progress = args.begin
        if args.start is not None:
            log(step=0, **training.evaluate())
    training.train(clock, args.end, args.every, evaluate_every, log)
