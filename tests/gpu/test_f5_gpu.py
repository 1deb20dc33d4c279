"""Parity of the F5 sampler on a CUDA device: ``make test-gpu``, on a machine that has one."""

from __future__ import annotations

import pytest
import torch
from f5.sampling import alone, error, network, run, sample
from gpu.device import DEVICE

from backends.f5.sampler import Sampler

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-3), (torch.float16, 1e-2), (torch.bfloat16, 2e-2)], ids=str
)
@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_a_gpu_draws_the_same_from_the_same_seed(arch: str, dtype: torch.dtype, bound: float) -> None:
    crowd = [sample(0, nfe=7), sample(1, frames=130, nfe=9), sample(2, frames=64, nfe=7, cfg_strength=0.0)]
    mels = run(Sampler(network(arch, dtype, DEVICE), 10_000), *crowd)
    for one in crowd:
        assert error(mels[one.id], alone(arch, one)) < bound
