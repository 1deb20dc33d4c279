"""Losses of a batch: the flow's velocity, and two auxiliary losses that end during training.

Letters as in ``dit``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.config import Architecture
from recipes.f5_mini.dit import ARCHITECTURE, ASKED_EVERY, DiT, Helpers
from recipes.f5_mini.sequences import Batch
from recipes.f5_mini.spelling import PHONES


class Learner(nn.Module):
    """The network that is exported, and an auxiliary head that is not."""

    def __init__(self, architecture: Architecture = ARCHITECTURE):
        super().__init__()
        self.transformer = DiT(architecture)
        self.phones = nn.Linear(architecture.dim, len(PHONES))

    def matrices(self) -> set[str]:
        """Names of the weights for Muon."""
        return {f"transformer.{name}" for name in self.transformer.matrices()}


@dataclass(frozen=True, slots=True)
class Drawn:
    """The time, noise and dropped conditions of each row of a batch.

    :param times: 0 for noise, 1 for speech, (B,).
    :param noise: (B, N, M).
    :param no_text: rows that know neither text nor prompt, (B,), and ``no_prompt`` those that do not know the latter.
    """

    times: Tensor
    noise: Tensor
    no_text: Tensor
    no_prompt: Tensor


def draw(batch: Batch, generator: torch.Generator, power: float, no_prompt: float, no_text: float) -> Drawn:
    """Times spread over the rows, more of them near the noise, and conditions that are left out.

    :param power: of an even draw; 1 leaves it even.
    :param no_prompt: part of the rows without a prompt, and ``no_text`` of those with neither.
    """
    rows, device = len(batch.mels), generator.device
    order = torch.randperm(rows, generator=generator, device=device)
    even = (order + torch.rand(rows, generator=generator, device=device)) / rows
    chance = torch.rand(rows, generator=generator, device=device)
    noise = torch.randn(batch.mels.shape, generator=generator, device=device)
    return Drawn(even**power, noise, chance < no_text, chance < no_text + no_prompt)


def fixed(batch: Batch, time: float, seed: int) -> Drawn:
    """All rows at one time, no condition dropped."""
    device = batch.mels.device
    generator = torch.Generator(device).manual_seed(seed)
    rows = torch.zeros(len(batch.mels), dtype=torch.bool, device=device)
    noise = torch.randn(batch.mels.shape, generator=generator, device=device)
    return Drawn(torch.full(rows.shape, time, device=device), noise, rows, rows)


def losses(learner: Learner, batch: Batch, at: Drawn, *, helped: bool) -> dict[str, Tensor]:
    """The velocity's squared error over the generated frames, and with ``helped`` the auxiliary losses.

    ``phones`` is the cross-entropy of the phone that is spoken in each frame, ``right`` how often it is known;
    ``guide`` is how little of a guided head's attention lies on frames that carry the letter that is spoken.
    """
    times = at.times[:, None, None]
    hidden = (batch.span | at.no_prompt[:, None])[..., None]
    noisy, known = torch.lerp(at.noise, batch.mels, times), batch.mels.masked_fill(hidden, 0.0)
    helpers = Helpers() if helped else None
    made = learner.transformer(noisy, known, batch.symbols, batch.carried, at.times, at.no_text, helpers)
    errors = (made - (batch.mels - at.noise)).square().mean(-1)
    found = {"flow": (errors * hidden[..., 0]).sum() / hidden.sum()}
    if helpers is None or helpers.features is None:
        return found
    knows = (~at.no_text).float()[:, None].expand_as(errors)
    logits = learner.phones(helpers.features).float()
    costs = F.cross_entropy(logits.mT, batch.phones, reduction="none")
    total = knows.sum().clamp(min=1)
    found["phones"] = (costs * knows).sum() / total
    found["right"] = ((logits.argmax(-1) == batch.phones) * knows).sum() / total
    aims, asked = batch.aims[:, ::ASKED_EVERY], knows[:, ::ASKED_EVERY]
    missed = torch.stack([(missed_aims(scores, aims) * asked).sum() for scores in helpers.scores])
    found["guide"] = missed.mean() / asked.sum().clamp(min=1)
    return found


def missed_aims(scores: Tensor, aims: Tensor) -> Tensor:
    """Minus the logarithm of the attention on the target frames, (B, Q).

    :param scores: before the softmax, (B, Q, N).
    :param aims: the first of those frames and how many they are, (B, Q, 2).
    """
    scores = scores.float()
    offsets = torch.arange(int(aims[..., 1].max()), device=scores.device)
    columns = (aims[..., :1] + offsets).clamp(max=scores.shape[-1] - 1)
    aimed = scores.gather(-1, columns).masked_fill(offsets >= aims[..., 1:], -torch.inf)
    return scores.logsumexp(-1) - aimed.logsumexp(-1)
