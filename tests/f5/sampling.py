"""The engine's network and f5-tts's own on the same weights, for tests that compare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from f5.synthetic import architecture, random_model, write_architecture, write_checkpoint, write_vocoder
from torch import Tensor, nn

from backends.common.weights import Weights
from backends.f5.checkpoint import NETWORKS
from backends.f5.model import Architecture
from backends.f5.network import Network
from backends.f5.sample import Sample
from backends.f5.sampler import Sampler
from backends.options import parse_config

CPU = torch.device("cpu")
SYMBOLS = 60
"""Size of the vocabulary."""


@lru_cache(maxsize=4)
def official(arch: str) -> nn.Module:
    """The class of f5-tts with seeded weights."""
    return random_model(arch, seed=1, vocab_size=SYMBOLS)


def official_cfm(model: nn.Module) -> nn.Module:
    """``CFM`` around it; imported after the network's class, which leaves what it needs in ``sys.modules``."""
    from f5_tts.model.cfm import CFM

    return CFM(transformer=model, mel_spec_kwargs={}, odeint_kwargs={"method": "euler"})


def network(arch: str, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> Network:
    """This engine's network on the same weights."""
    return build(official(arch), architecture(arch), dtype, device)


def build(model: nn.Module, arguments: dict, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> Network:
    ignored = ("attn_backend", "attn_mask_enabled", "checkpoint_activations")
    kept = {key: value for key, value in arguments.items() if key not in ignored}
    parsed = parse_config(Architecture, kept, "arch")
    weights = Weights(model.state_dict(), "test", device, dtype)
    with torch.inference_mode():
        built = NETWORKS[parsed.backbone](weights, parsed, SYMBOLS)
    weights.finish()
    return built


def sample(index: int = 0, *, frames: int = 90, reference: int = 40, symbols: int = 25, **fields: object) -> Sample:
    """A sample with a random reference and text, different for each index."""
    generator = torch.Generator().manual_seed(1000 + index)
    mel = torch.randn(reference, 100, generator=generator) - 3
    ids = torch.randint(0, SYMBOLS, (symbols,), generator=generator).tolist()
    made = Sample(f"s{index}", f"job{index}", mel, ids, frames, seed=index)
    return replace(made, **fields)  # type: ignore[arg-type]


def run(sampler: Sampler, *samples: Sample) -> dict[str, Tensor]:
    """Make samples together; mels by id."""
    for one in samples:
        sampler.add(one)
    return drain(sampler)


def alone(arch: str, one: Sample) -> Tensor:
    """What a sample is without neighbours, in float32 on the CPU."""
    return run(Sampler(network(arch), 10_000), one)[one.id]


def drain(sampler: Sampler) -> dict[str, Tensor]:
    mels: dict[str, Tensor] = {}
    while len(sampler):
        for made in sampler.step():
            assert made.mel is not None, made.reason
            mels[made.sample.id] = made.mel
    return mels


def write_model(folder: Path, arch: str | Mapping[str, Any], **checkpoint: Any) -> dict[str, str]:
    """Write all files of a small model; returns the ``model:`` block that names them."""
    return {
        "checkpoint": str(write_checkpoint(folder / "model", arch, **checkpoint)),
        "architecture": str(write_architecture(folder / "model", arch)),
        "vocoder": str(write_vocoder(folder / "vocoder")),
    }


def error(found: Tensor, expected: Tensor) -> float:
    """Largest difference, in parts of the largest value expected."""
    return float((found.cpu() - expected).abs().max() / expected.abs().max())
