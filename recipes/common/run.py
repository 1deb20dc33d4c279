"""Training that is saved and resumed as a whole, and bounded by time."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from recipes.common.optim import Average, Optimizer
from recipes.common.places import Clock, Log

N = TypeVar("N", bound=nn.Module)


class Run(ABC, Generic[N]):
    """A network in training.

    :param path: where its state is kept; what is there is gone on with.
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
    def judge(self) -> dict[str, float]:
        """Losses of the averaged weights on held-out data."""

    def further(self) -> dict[str, Any]:
        """Further values of a state."""
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
                **self.further(),
            },
            part,
        )
        part.replace(self._path)

    def train(self, clock: Clock, end: float, every: int, judge_every: int, log: Log) -> None:
        """Train until the time is over.

        :param end: progress reached by then.
        :param every: steps between reports.
        :param judge_every: steps between judgements, after which the state is saved.
        """
        began = self.progress
        while not clock.over:
            self.progress = began + (end - began) * clock.part
            losses = self.step()
            steps = self.optimizer.steps
            if steps % every == 0:
                log(step=steps, progress=self.progress, seconds=clock.spent, **losses)
            if steps % judge_every == 0:
                log(step=steps, **self.judge())
                self.save()
        self.progress = end
        self.save()
        log(step=self.optimizer.steps, **self.judge())


def run_arguments(about: str | None, minutes: float, every: int, seed: int) -> argparse.ArgumentParser:
    """Arguments of all training commands, with a stage's defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument(
        "--end", type=float, default=1.0, help="progress reached in this time; at 1 the rate is nothing"
    )
    parser.add_argument("--from", dest="start", type=Path, default=None, help="exported model to start from")
    parser.add_argument("--begin", type=float, default=0.0, help="progress of a stage that has no state yet")
    parser.add_argument("--adam", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--every", type=int, default=every, help="steps between reports")
    parser.add_argument("--seed", type=int, default=seed)
    return parser


def run(asked: argparse.Namespace, log: Log, judge_every: int, start: Callable[[], Run[Any]]) -> None:
    """Train with parsed arguments; loading counts as time of the command."""
    clock = Clock(asked.minutes)
    torch.manual_seed(asked.seed)
    torch.set_flush_denormal(True)  # attention is full of them: a step of f5-mini's flow took 9 % longer with them
    training = start()
    if not training.optimizer.steps:
        training.progress = asked.begin
        if asked.start is not None:
            log(step=0, **training.judge())
    training.train(clock, asked.end, asked.every, judge_every, log)
