"""The engine's flow model and f5-tts's own with the same weights, for parity tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from support.f5 import upstream
from support.f5.synthetic import architecture, random_model, write_architecture, write_checkpoint, write_vocoder
from torch import Tensor, nn

from backends.common.weights import Weights
from backends.f5.checkpoint import build_model
from backends.f5.config import Architecture
from backends.f5.model import FlowModel
from backends.f5.sample import Sample, SampleId
from backends.f5.sampler import Sampler
from backends.options import parse_config

CPU = torch.device("cpu")
VOCAB_SIZE = 60


@lru_cache(maxsize=4)
def official_model(arch: str) -> nn.Module:
    """Build f5-tts's class with seeded weights."""
    return random_model(arch, seed=1, vocab_size=VOCAB_SIZE)


def official_sample(model: nn.Module, sample: Sample) -> Tensor:
    """Run f5-tts's ``CFM.sample`` on a sample's inputs; return the mel, shape (T, M)."""
    mels, _ = upstream.cfm_class()(transformer=model, mel_spec_kwargs={}, odeint_kwargs={"method": "euler"}).sample(
        cond=sample.reference_mel[None],
        text=torch.tensor([list(sample.text_ids)]),
        duration=sample.frames,
        steps=sample.nfe,
        cfg_strength=sample.cfg_strength,
        sway_sampling_coef=sample.sway or None,
        seed=sample.seed,
    )
    return mels[0]


def flow_model(arch: str, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> FlowModel:
    """Build the engine's model with the weights of :func:`official_model`."""
    return build_flow_model(official_model(arch), architecture(arch), dtype, device)


def build_flow_model(
    model: nn.Module, arguments: Mapping[str, Any], dtype: torch.dtype = torch.float32, device: torch.device = CPU
) -> FlowModel:
    """Build the engine's model with the weights of an official one.

    :param arguments: ``backbone`` and the arguments of its class.
    """
    ignored = ("attn_backend", "attn_mask_enabled", "checkpoint_activations")
    parsed = parse_config(Architecture, {k: v for k, v in arguments.items() if k not in ignored}, "arch")
    weights = Weights(model.state_dict(), "test", device, torch.float32)
    with torch.inference_mode():
        return build_model(weights, parsed, VOCAB_SIZE, dtype)


def random_sample(
    index: int = 0,
    *,
    job: str | None = None,
    frames: int = 90,
    reference: int = 40,
    symbols: int = 25,
    **fields: object,
) -> Sample:
    """Build a sample with a random reference and text that depend on the index; ``job`` defaults to one of its own."""
    generator = torch.Generator().manual_seed(1000 + index)
    mel = torch.randn(reference, 100, generator=generator) - 3
    ids = torch.randint(0, VOCAB_SIZE, (symbols,), generator=generator).tolist()
    sample = Sample((job or f"job{index}", index), mel, ids, frames, seed=index)
    return replace(sample, **fields)  # type: ignore[arg-type]


def run(sampler: Sampler, *samples: Sample) -> dict[SampleId, Tensor]:
    """Sample together; return mels by id, in order of completion."""
    for sample in samples:
        sampler.add(sample)
    return drain(sampler)


def run_alone(arch: str, sample: Sample) -> Tensor:
    """Sample without neighbors, in float32 on the CPU."""
    return run(Sampler(flow_model(arch), 10_000), sample)[sample.id]


def drain(sampler: Sampler) -> dict[SampleId, Tensor]:
    """Step until the sampler is empty; return mels by id."""
    mels: dict[SampleId, Tensor] = {}
    while len(sampler):
        for result in sampler.step():
            assert result.mel is not None, result.error
            mels[result.sample.id] = result.mel
    return mels


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, relative to the largest expected value."""
    return float((found.cpu() - expected).abs().max() / expected.abs().max())


def write_model(folder: Path, arch: str | Mapping[str, Any], **checkpoint: Any) -> dict[str, str]:
    """Write all files of a small model; return the ``model:`` block that names them."""
    return {
        "checkpoint": str(write_checkpoint(folder / "model", arch, **checkpoint)),
        "architecture": str(write_architecture(folder / "model", arch)),
        "vocoder": str(write_vocoder(folder / "vocoder")),
    }
