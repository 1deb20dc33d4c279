"""Muon for matrices, AdamW for other parameters, a learning rate schedule, and averaged weights.

Source of Muon: Keller Jordan's description of 2024 (momentum, orthogonalized by five Newton-Schulz steps).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

STEEP, BEND, CURVE = 3.4445, -4.7750, 2.0315


class Muon:
    """Muon over weights of two and more dimensions, flattened to matrices after the first."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, momentum: float = 0.95, decay: float = 0.01):
        self._rate, self._momentum, self._decay = rate, momentum, decay
        self._groups: dict[tuple[int, int], list[nn.Parameter]] = {}
        for parameter in parameters:
            rows, width = parameter.shape[0], parameter[0].numel()
            self._groups.setdefault((min(rows, width), max(rows, width)), []).append(parameter)
        self.state = {
            shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self._groups.items()
        }

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Take a step.

        :param scale: factor of the learning rate.
        """
        for shape, group in self._groups.items():
            flat = [parameter.grad.flatten(1) for parameter in group if parameter.grad is not None]
            turned = [part.shape[0] > part.shape[1] for part in flat]
            gradient = torch.stack([part.mT if turn else part for part, turn in zip(flat, turned, strict=True)])
            moving = self.state[shape].lerp_(gradient, 1 - self._momentum)
            x = gradient.lerp(moving, self._momentum).bfloat16()
            x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
            for _ in range(5):
                square = x @ x.mT
                x = STEEP * x + (BEND * square + CURVE * (square @ square)) @ x
            rate = self._rate * scale
            for parameter, made, turn in zip(group, x.float(), turned, strict=True):
                update = made.mT if turn else made
                tall = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                parameter.mul_(1 - rate * self._decay).add_(update.reshape(parameter.shape), alpha=-rate * tall)

    def load(self, state: dict[tuple[int, int], Tensor]) -> None:
        """Restore a saved state."""
        for shape, moving in state.items():
            self.state[shape].copy_(moving)


class Optimizer:
    """Muon and AdamW for one network.

    :param matrices: names of the parameters that Muon trains; AdamW trains the others.
    """

    def __init__(self, model: nn.Module, matrices: set[str], muon_rate: float, adam_rate: float):
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for _, parameter in named]
        self._muon = Muon([parameter for name, parameter in named if name in matrices], muon_rate)
        others = [parameter for name, parameter in named if name not in matrices]
        self._adam = torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self._adam_rate = adam_rate
        self.steps = 0

    def step(self, scale: float, clip: float = 1.0) -> float:
        """Take a step and return the gradient norm; a step with a non-finite gradient is skipped."""
        length = float(nn.utils.clip_grad_norm_(self._parameters, clip))
        if length == length and length != float("inf"):
            self._muon.step(scale)
            for group in self._adam.param_groups:
                group["lr"] = self._adam_rate * scale
            self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.grad = None
        self.steps += 1
        return length

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"muon": self._muon.state, "adam": self._adam.state_dict(), "steps": self.steps}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self._muon.load(state["muon"])
        self._adam.load_state_dict(state["adam"])
        self.steps = state["steps"]


class Average:
    """Exponential moving average of the weights. Exports use it."""

    def __init__(self, model: nn.Module, keep: float = 0.998):
        self._keep = keep
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self._steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Update the average; its decay is faster at first."""
        self._steps += 1
        part = 1 - min(self._keep, self._steps / (self._steps + 10))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, part)
            else:
                self.weights[name].copy_(value)

    def load(self, weights: dict[str, Tensor], steps: int) -> None:
        """Restore a saved state."""
        for name, value in weights.items():
            self.weights[name].copy_(value)
        self._steps = steps


def rate(progress: float, steps: int, warm_up: int = 100, decay_from: float = 0.5) -> float:
    """Learning rate schedule: linear warm-up, constant, linear decay to zero, as a share of the full rate."""
    return min(1.0, (steps + 1) / warm_up) * min(1.0, max(0.0, 1 - progress) / (1 - decay_from))
