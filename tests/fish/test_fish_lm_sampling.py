"""The sampler draws what the reference sampler draws, frame by frame, for all parameters."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.fish.lm import CPU
from support.fish.reference_sampler import Heads, distribution, inverse_transform, race
from torch import Tensor

from backends.fish.generation import Sampling
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm import sampling as module
from backends.fish.v0_2.lm.sampling import NO_TOP_K, Sampler, probabilities

CONFIG = LMConfig(vocab_size=300, codebook_size=60, num_codebooks=3, dim=8, n_head=1)
HEADS = CONFIG.num_codebooks * CONFIG.codebook_size
FRAMES = 40  # more than twice the penalty window
PARAMETERS = [
    Sampling(),
    Sampling(temperature=0.0, top_p=1.0, repetition_penalty=1.5),
    Sampling(temperature=1.0, top_p=1.0, repetition_penalty=1.0),
    Sampling(temperature=1.3, top_p=0.9, top_k=7, repetition_penalty=2.0),
    Sampling(temperature=0.9, top_p=1.0, top_k=3, repetition_penalty=0.5),
    Sampling(temperature=2.0, top_p=0.01, repetition_penalty=1.2),
    Sampling(temperature=0.7, top_p=0.999, top_k=4096),
    Sampling(temperature=0.7, top_p=0.8, top_k=0),
]


def some_logits(generator: torch.Generator, scale: float) -> Tensor:
    """Coarse values, so that there are many ties."""
    logits = torch.randn(CONFIG.vocab_size + HEADS, generator=generator) * scale
    return (logits * 8).round() / 8


class Reference:
    """Draws one sequence with the reference sampler."""

    def __init__(self, sampling: Sampling, seed: int, known: int | None = None):
        self.sampling, self.heads = sampling, Heads(sampling, known)
        self.noise = torch.Generator().manual_seed(seed)

    def draw(self, logits: Tensor, *, first: bool) -> list[int]:
        noise = torch.empty(1 + HEADS).exponential_(generator=self.noise)
        codes = logits[CONFIG.vocab_size :].view(CONFIG.num_codebooks, -1)
        token = inverse_transform(distribution(logits[: CONFIG.vocab_size], self.sampling), float(noise[0].neg().exp()))
        races = zip(self.heads.distributions(codes, first=first), noise[1:].view_as(codes), strict=True)
        frame = [token, *(race(p, q) for p, q in races)]
        if not first:
            self.heads.remember(frame[1:])
        return frame


@pytest.mark.parametrize("known", [None, 20])
@pytest.mark.parametrize("scale", [0.5, 3.0], ids=["flat", "peaked"])
def test_all_parameters_draw_what_the_reference_draws(scale: float, known: int | None) -> None:
    """All parameters in the slots of one sampler; some slots skip steps."""
    random = torch.Generator().manual_seed(3)
    sampler = Sampler(CONFIG, len(PARAMETERS), CPU, known)
    references = [Reference(sampling, 100 + slot, known) for slot, sampling in enumerate(PARAMETERS)]
    for slot, sampling in enumerate(PARAMETERS):
        sampler.start(slot, sampling, 100 + slot)
        logits = some_logits(random, scale)
        assert sampler.first(slot, logits[None])[0].tolist() == [*references[slot].draw(logits, first=True), 1]
    for index in range(FRAMES):
        slots = [slot for slot in range(len(PARAMETERS)) if (index + slot) % 5]
        logits = torch.stack([some_logits(random, scale) for _ in slots])
        expected = [references[slot].draw(row, first=False) for slot, row in zip(slots, logits, strict=True)]
        assert sampler.next(slots, logits)[:, :-1].tolist() == expected, index


def test_penalty_covers_sixteen_frames_but_not_the_first() -> None:
    """Greedy sampling draws a code again only after it has left the window."""
    sampler = Sampler(CONFIG, 1, CPU)
    sampler.start(0, Sampling(temperature=0.0, top_p=1.0, repetition_penalty=2.0), 1)
    logits = torch.zeros(1, CONFIG.vocab_size + HEADS)
    logits[:, CONFIG.vocab_size + 2 :: CONFIG.codebook_size] = 8.0
    codes = logits[:, CONFIG.vocab_size :].view(1, -1, CONFIG.codebook_size)
    codes[..., 2:20] = torch.arange(8.0, 6.2, -0.1)[:18]  # eighteen codes, in this order; half of 8 is below them all
    first = sampler.first(0, logits)[0, 1].item()
    drawn = [sampler.next([0], logits)[0, 1].item() for _ in range(20)]
    assert first == 2
    assert drawn[:17] == list(range(2, 19))  # 2 again: the first frame is not penalized
    assert drawn[17:] == [2, 3, 4]


def test_restarted_slot_draws_the_same_frames() -> None:
    random = torch.Generator().manual_seed(5)
    logits = torch.stack([some_logits(random, 1.0) for _ in range(6)])
    sampler = Sampler(CONFIG, 2, CPU)

    def draw(slot: int) -> list[list[int]]:
        sampler.start(slot, Sampling(temperature=1.0, top_p=0.9), 7)
        return [
            sampler.first(slot, logits[:1])[0].tolist(),
            *(sampler.next([slot], row[None])[0].tolist() for row in logits[1:]),
        ]

    assert draw(0) == draw(1) == draw(0)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_reported(value: float) -> None:
    sampler = Sampler(CONFIG, 3, CPU)
    for slot in range(3):
        sampler.start(slot, Sampling(), slot)
    logits = torch.zeros(3, CONFIG.vocab_size + HEADS)
    logits[1, 200] = value
    drawn = sampler.next([0, 1, 2], logits)
    assert drawn[:, -1].tolist() == [1, 0, 1]
    assert (drawn[:, 0] < CONFIG.vocab_size).all()


def test_token_frequencies_follow_the_distribution() -> None:
    """In 4000 draws for each of two parameters, each frequency is within 5 standard deviations."""
    probs = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    config = LMConfig(vocab_size=5, codebook_size=4, num_codebooks=1, dim=8, n_head=1)
    sampler = Sampler(config, 200, CPU)
    for slot in range(200):
        sampler.start(slot, Sampling(temperature=1.0, top_p=1.0 if slot < 100 else 0.9), slot)
    logits = torch.cat((probs.log(), torch.zeros(4))).expand(200, -1)
    tokens = torch.stack([sampler.next(range(200), logits)[:, 0] for _ in range(40)])
    cut = torch.tensor([0.4, 0.3, 0.15, 0, 0]) / 0.85
    for drawn, expected in ((tokens[:, :100], probs), (tokens[:, 100:], cut)):
        found = torch.bincount(drawn.flatten(), minlength=5)
        deviation = (4000 * expected * (1 - expected)).sqrt()
        assert ((found - 4000 * expected).abs() <= 5 * deviation).all()


@pytest.mark.parametrize("scale", [0.0, 0.2, 1.0, 4.0, 12.0])
def test_sorting_only_a_prefix_changes_nothing(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, also with ties; other rows, which may need a longer prefix, change nothing either."""
    random = torch.Generator().manual_seed(9)
    logits = (torch.randn(8, 36408, generator=random) * scale).to(torch.bfloat16).float()
    off = NO_TOP_K
    limits = [(0.5, off), (0.9, off), (1.0, 5), (1.0, 3000), (0.3, 40), (0.999, off), (1.0, off), (1e-6, 1)]
    top_p, top_k = (torch.tensor([float(row[i]) for row in limits]) for i in (0, 1))
    temperature = torch.full((8,), 0.7)
    together = probabilities(logits, temperature, top_p, top_k)
    alone = [probabilities(logits[i : i + 1], temperature[:1], top_p[i : i + 1], top_k[i : i + 1]) for i in range(8)]
    monkeypatch.setattr(module, "PREFIXES", ())
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(together, probabilities(logits, temperature, top_p, top_k))
    assert torch.equal(
        together[6], probabilities(logits[6:7], temperature[:1], top_p[:1], top_k[:1], truncates=False)[0]
    )


def test_all_ways_to_switch_top_k_off_are_equal() -> None:
    random = torch.Generator().manual_seed(11)
    logits = some_logits(random, 2.0)[None]
    drawn = []
    for sampling in (Sampling(1.0, 1.0, None), Sampling(1.0, 1.0, 0), replace(Sampling(1.0, 1.0), top_k=4096)):
        sampler = Sampler(CONFIG, 1, CPU)
        sampler.start(0, sampling, 5)
        drawn.append(sampler.first(0, logits).tolist())
    assert drawn[0] == drawn[1] == drawn[2]
