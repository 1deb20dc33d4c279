"""ODE schedules: f5-tts's pruned steps, and sway toward the start."""

from __future__ import annotations

import pytest
import torch

from backends.f5.schedule import ode_times


def test_schedule_is_pruned_for_the_same_nfe_as_in_f5_tts() -> None:
    assert (ode_times(7, 0.0) * 32).tolist() == [0, 2, 4, 6, 8, 16, 24, 32]
    torch.testing.assert_close(ode_times(4, 0.0), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))


@pytest.mark.parametrize("sway", [-1.0, 0.5, 1.0])
@pytest.mark.parametrize("nfe", [1, 7, 16, 33, 64])
def test_swayed_times_rise_from_0_to_1(nfe: int, sway: float) -> None:
    times = ode_times(nfe, sway)
    assert times.shape == (nfe + 1,)
    assert times[0] == 0
    assert times[-1] == pytest.approx(1)
    assert (times.diff() > 0).all()


def test_negative_sway_moves_times_toward_the_start() -> None:
    assert (ode_times(32, -1.0)[1:-1] < ode_times(32, 0.0)[1:-1]).all()
