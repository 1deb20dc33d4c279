"""What recipes share."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recipes.common.attention import Attention, attend, later


@pytest.mark.parametrize("causal", [False, True])
def test_attention_and_its_gradient_are_torchs(causal: bool) -> None:
    torch.manual_seed(0)
    parts = [torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    torch.testing.assert_close(attend(*parts, causal=causal), F.scaled_dot_product_attention(*parts, is_causal=causal))
    hidden = later(5, torch.float64) if causal else None
    assert torch.autograd.gradcheck(Attention.apply, (*parts, hidden))
