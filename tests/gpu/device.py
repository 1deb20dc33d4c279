"""Where the tests in this folder compute: the first GPU, or what ``GPU_TESTS_DEVICE`` names, for a rehearsal."""

from __future__ import annotations

import os

import torch

DEVICE = torch.device(os.environ.get("GPU_TESTS_DEVICE", "cuda:0"))
GRAPHS = DEVICE.type == "cuda"
"""Whether CUDA graphs can be made there."""
