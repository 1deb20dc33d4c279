"""Losses of a batch: the flow's velocity, and two auxiliary losses that end during training.

T is in mel frames.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.config import Architecture
from recipes.f5_mini.dit import ARCHITECTURE, GUIDE_STRIDE, auxiliary_outputs, new_network, velocity
from recipes.f5_mini.sequences import Batch
from recipes.f5_mini.spelling import PHONES


class Learner(nn.Module):
    """The network that is exported, and an auxiliary phone head that is not."""

    def __init__(self, architecture: Architecture = ARCHITECTURE):
        super().__init__()
        self.transformer = new_network(architecture)
        self.phones = nn.Linear(architecture.dim, len(PHONES))


@dataclass(frozen=True, slots=True)
class Draw:
    """The time, noise and dropped conditions of each row of a batch.

    :param times: 0 for noise, 1 for speech, (B,).
    :param noise: (B, T, M).
    :param no_text: rows without text and prompt, (B,).
    :param no_prompt: rows without a prompt, (B,).
    """

    times: Tensor
    noise: Tensor
    no_text: Tensor
    no_prompt: Tensor


def draw(batch: Batch, generator: torch.Generator, power: float, no_prompt: float, no_text: float) -> Draw:
    """Draw stratified times, with more of them near the noise, and the conditions to drop.

    :param power: exponent of a uniform draw; 1 keeps it uniform.
    :param no_prompt: share of the rows without a prompt but with a text.
    :param no_text: share of the rows with neither.
    """
    rows, device = len(batch.mels), generator.device
    order = torch.randperm(rows, generator=generator, device=device)
    even = (order + torch.rand(rows, generator=generator, device=device)) / rows
    chance = torch.rand(rows, generator=generator, device=device)
    noise = torch.randn(batch.mels.shape, generator=generator, device=device)
    return Draw(even**power, noise, chance < no_text, chance < no_text + no_prompt)


def fixed_draw(batch: Batch, time: float, seed: int) -> Draw:
    """Use one time for all rows and drop no condition."""
    device = batch.mels.device
    generator = torch.Generator(device).manual_seed(seed)
    rows = torch.zeros(len(batch.mels), dtype=torch.bool, device=device)
    noise = torch.randn(batch.mels.shape, generator=generator, device=device)
    return Draw(torch.full(rows.shape, time, device=device), noise, rows, rows)


def losses(learner: Learner, batch: Batch, at: Draw, *, with_auxiliary: bool) -> dict[str, Tensor]:
    """Compute the velocity's squared error over generated frames, and on request the auxiliary losses.

    ``phones`` is the cross-entropy of the phone spoken in each frame and ``right`` its accuracy. ``guide`` is minus the
    log of the attention that a guided head pays to the frames of the spoken letter.
    """
    times = at.times[:, None, None]
    hidden = (batch.span | at.no_prompt[:, None])[..., None]
    noisy, known = torch.lerp(at.noise, batch.mels, times), batch.mels.masked_fill(hidden, 0.0)
    with auxiliary_outputs(learner.transformer) if with_auxiliary else nullcontext() as auxiliary:
        predicted = velocity(
            learner.transformer, noisy, known, batch.symbols, batch.frame_symbols, at.times, at.no_text
        )
    errors = (predicted - (batch.mels - at.noise)).square().mean(-1)
    found = {"flow": (errors * hidden[..., 0]).sum() / hidden.sum()}
    if auxiliary is None:
        return found
    has_text = (~at.no_text).float()[:, None].expand_as(errors)
    logits = learner.phones(auxiliary.features).float()
    costs = F.cross_entropy(logits.mT, batch.phones, reduction="none")
    total = has_text.sum().clamp(min=1)
    found["phones"] = (costs * has_text).sum() / total
    found["right"] = ((logits.argmax(-1) == batch.phones) * has_text).sum() / total
    spans, weights = batch.guide_spans[:, ::GUIDE_STRIDE], has_text[:, ::GUIDE_STRIDE]
    costs = torch.stack([(guide_loss(scores, spans) * weights).sum() for scores in auxiliary.scores])
    found["guide"] = costs.mean() / weights.sum().clamp(min=1)
    return found


def guide_loss(scores: Tensor, spans: Tensor) -> Tensor:
    """Minus the log of the attention on the target frames, (B, T), T in guided frames.

    :param scores: before the softmax, (B, T, all frames).
    :param spans: first target frame and number of target frames, (B, T, 2).
    """
    scores = scores.float()
    offsets = torch.arange(int(spans[..., 1].max()), device=scores.device)
    columns = (spans[..., :1] + offsets).clamp(max=scores.shape[-1] - 1)
    targets = scores.gather(-1, columns).masked_fill(offsets >= spans[..., 1:], -torch.inf)
    return scores.logsumexp(-1) - targets.logsumexp(-1)
