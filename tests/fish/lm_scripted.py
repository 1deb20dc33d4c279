"""A language model that says what a test wants, for tests of what is done with that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from backends.fish.generation import Grown, Sampling, Sequence
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.engine import Generator
from backends.fish.v0_2.lm.kv_cache import Attend, Cache, Prompt
from backends.fish.v0_2.lm.linear import Rows

EOS = 2
CONFIG = LMConfig(max_seq_len=256, vocab_size=50, n_layer=1, n_head=1, dim=8, codebook_size=40)
GREEDY = Sampling(temperature=0.0, top_p=1.0, repetition_penalty=1.0)

Script = Callable[[int, int], tuple[int, list[int]] | None]
"""From who speaks (the last text id of the prompt) and the columns before the frame to the frame; None: no numbers."""


def talk(who: int, length: int) -> tuple[int, list[int]]:
    """Speech without end: codes count columns."""
    return who, [2 + (length + i) % 30 for i in range(4)]


class ScriptedModel:
    """As a network looks from a generator. ``seen`` lists the kinds of call: columns of a prompt, or rows of frames."""

    config = CONFIG
    device = torch.device("cpu")
    dtype = torch.float32
    rows = Rows.FREE

    def __init__(self, script: Script = talk):
        self.script = script
        self.seen: list[tuple[str, int]] = []
        self.fault: Callable[[Tensor, Attend], None] = lambda ids, attend: None

    def cache(self, slots: int, max_tokens: int) -> Cache:
        return Cache(
            layers=1, slots=slots, max_tokens=max_tokens, heads=1, width=8, device=self.device, dtype=self.dtype
        )

    def __call__(self, ids: Tensor, positions: Tensor, attend: Attend, last: int | None = None) -> Tensor:
        self.seen.append(("prompt" if isinstance(attend, Prompt) else "frames", len(ids) if last is None else last + 1))
        self.fault(ids, attend)
        if last is not None:
            ids, positions = ids[last : last + 1], positions[last : last + 1]
        return torch.stack(
            [self._logits(who, length + 1) for who, length in zip(ids[:, 0].tolist(), positions.tolist(), strict=True)]
        )

    def _logits(self, who: int, length: int) -> Tensor:
        config = self.config
        said = self.script(who, length)
        logits = torch.zeros(config.vocab_size + config.num_codebooks * config.codebook_size)
        if said is None:
            return logits + torch.nan
        token, codes = said
        logits[token] = 9.0
        for i, code in enumerate(codes):
            logits[config.vocab_size + i * config.codebook_size + code] = 9.0
        return logits


def scripted(script: Script = talk, *, slots: int = 4, max_tokens: int = 64) -> tuple[Generator, ScriptedModel]:
    model = ScriptedModel(script)
    return Generator(model, slots, max_tokens, EOS), model  # type: ignore[arg-type]


def prompt(who: int, length: int = 5) -> np.ndarray:
    made = np.zeros((5, length), np.int32)
    made[0] = who
    return made


def ask(name: str, who: int = 10, length: int = 5, owner: str | None = None, **fields: object) -> Sequence:
    fields.setdefault("sampling", GREEDY)
    return Sequence(name, owner or name, prompt(who, length), seed=1, **fields)  # type: ignore[arg-type]


def drain(generator: Generator, steps: int = 2000) -> list[Grown]:
    grown = []
    for _ in range(steps):
        if not len(generator):
            return grown
        grown += generator.step()
    raise AssertionError(f"still at work after {steps} steps")


def codes_of(grown: list[Grown], name: str) -> np.ndarray:
    """All codes of a sequence, in order."""
    return np.concatenate([one.codes for one in grown if one.id == name], axis=1)
