"""The device of the GPU tests: the first GPU, or the one that ``GPU_TESTS_DEVICE`` names, for a rehearsal."""

from __future__ import annotations

import os

import torch

DEVICE = torch.device(os.environ.get("GPU_TESTS_DEVICE", "cuda:0"))
GRAPHS = DEVICE.type == "cuda"
"""Whether CUDA graphs can be made there."""
