"""Times at which the ODE is evaluated."""

from __future__ import annotations

import torch
from torch import Tensor

# Empirically pruned step sampling (arXiv 2505.19931), in units of 1/32: fewer evaluations where the flow is straight.
PRUNED_STEPS = {
    5: (0, 2, 4, 8, 16, 32),
    6: (0, 2, 4, 6, 8, 16, 32),
    7: (0, 2, 4, 6, 8, 16, 24, 32),
    10: (0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32),
    12: (0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32),
    16: (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32),
}


def ode_times(nfe: int, sway: float) -> Tensor:
    """Times from 0 to 1, float32, shape (nfe + 1,): one evaluation at each but the last.

    :param nfe: number of function evaluations.
    :param sway: sway sampling coefficient; below 0 moves evaluations toward 0, where words take shape.
    """
    if nfe in PRUNED_STEPS:
        t = torch.tensor(PRUNED_STEPS[nfe], dtype=torch.float32) / 32
    else:
        t = torch.linspace(0, 1, nfe + 1)
    return t + sway * (torch.cos(torch.pi / 2 * t) - 1 + t) if sway else t
