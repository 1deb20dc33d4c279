"""A language model with scripted output, for tests of the engine around it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from backends.fish.generation import Sampling, Sequence, StepOutput
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.engine import LMEngine
from backends.fish.v0_2.lm.kv_cache import Attention, KVCache, PrefillAttention
from backends.fish.v0_2.lm.linear import Determinism

EOS = 2
CONFIG = LMConfig(max_seq_len=256, vocab_size=50, n_layer=1, n_head=1, dim=8, codebook_size=40)
GREEDY = Sampling(temperature=0.0, top_p=1.0, repetition_penalty=1.0)

Script = Callable[[int, int], tuple[int, list[int]] | None]
"""Maps the speaker (last token ID of the prompt) and the number of preceding columns to a frame; None: NaN logits."""


def endless(speaker: int, length: int) -> tuple[int, list[int]]:
    """Speech without end; the codes count columns."""
    return speaker, [2 + (length + i) % 30 for i in range(4)]


class ScriptedModel:
    """Has a model's interface. ``calls`` lists its calls: kind, and number of prompt tokens or rows."""

    config = CONFIG
    device = torch.device("cpu")
    dtype = torch.float32
    determinism = Determinism.ROW
    weight_bytes = 0

    def __init__(self, script: Script = endless):
        self.script = script
        self.calls: list[tuple[str, int]] = []
        self.fault: Callable[[Tensor, Attention], None] = lambda ids, attention: None

    def cache(self, slots: int, max_tokens: int) -> KVCache:
        return KVCache(
            layers=1, slots=slots, max_tokens=max_tokens, heads=1, head_width=8, device=self.device, dtype=self.dtype
        )

    def __call__(self, ids: Tensor, positions: Tensor, attention: Attention, last: int | None = None) -> Tensor:
        kind = "prefill" if isinstance(attention, PrefillAttention) else "decode"
        self.calls.append((kind, len(ids) if last is None else last + 1))
        self.fault(ids, attention)
        if last is not None:
            ids, positions = ids[last : last + 1], positions[last : last + 1]
        rows = zip(ids[:, 0].tolist(), positions.tolist(), strict=True)
        return torch.stack([self._logits(speaker, length + 1) for speaker, length in rows])

    def _logits(self, speaker: int, length: int) -> Tensor:
        config = self.config
        frame = self.script(speaker, length)
        logits = torch.zeros(config.vocab_size + config.num_codebooks * config.codebook_size)
        if frame is None:
            return logits + torch.nan
        token, codes = frame
        logits[token] = 9.0
        for i, code in enumerate(codes):
            logits[config.vocab_size + i * config.codebook_size + code] = 9.0
        return logits


def scripted(script: Script = endless, *, slots: int = 4, max_tokens: int = 64) -> tuple[LMEngine, ScriptedModel]:
    model = ScriptedModel(script)
    return LMEngine(model, slots, max_tokens, EOS), model  # type: ignore[arg-type]


def prompt(speaker: int, length: int = 5) -> np.ndarray:
    rows = np.zeros((5, length), np.int32)
    rows[0] = speaker
    return rows


def sequence(job_id: str, speaker: int = 10, length: int = 5, index: int = 0, **fields: object) -> Sequence:
    fields.setdefault("sampling", GREEDY)
    return Sequence((job_id, index), prompt(speaker, length), seed=1, **fields)  # type: ignore[arg-type]


def drain(lm: LMEngine, steps: int = 2000) -> list[StepOutput]:
    outputs = []
    for _ in range(steps):
        if not len(lm):
            return outputs
        outputs += lm.step()
    raise AssertionError(f"sequences are still active after {steps} steps")


def codes_of(outputs: list[StepOutput], job_id: str, index: int = 0) -> np.ndarray:
    """Return all codes of a sequence, in order."""
    return np.concatenate([output.codes for output in outputs if output.id == (job_id, index)], axis=1)


def job_ids(outputs: list[StepOutput]) -> list[str]:
    return [output.id[0] for output in outputs]
