"""Parity of the F5 sampler on a CUDA device: ``make test-gpu``, on a machine that has one."""

from __future__ import annotations

import pytest
import torch
from support.f5.sampling import flow_model, random_sample, relative_error, run, run_alone
from support.gpu_device import DEVICE

from backends.f5.sampler import Sampler

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-3), (torch.float16, 1e-2), (torch.bfloat16, 2e-2)], ids=str
)
@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_sample_on_a_gpu_matches_the_cpu(arch: str, dtype: torch.dtype, bound: float) -> None:
    samples = [
        random_sample(0, nfe=7),
        random_sample(1, frames=130, nfe=9),
        random_sample(2, frames=64, nfe=7, cfg_strength=0.0),
    ]
    mels = run(Sampler(flow_model(arch, dtype, DEVICE), 10_000), *samples)
    for sample in samples:
        assert relative_error(mels[sample.id], run_alone(arch, sample)) < bound
