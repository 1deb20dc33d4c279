"""Matrix products and attention: the same results as torch's, in every dtype."""

from __future__ import annotations

import pytest
import torch

from backends.f5 import linear


@pytest.mark.parametrize("scores", [1, 3 * 50**2, 2**20])
def test_bfloat16_attention_matches_float32(scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "SCORES_PER_BLOCK", scores)
    qkv = torch.randn(2, 50, 3, 4, 16).permute(2, 0, 3, 1, 4)  # 8 heads in total: not a multiple of 3
    expected = torch.nn.functional.scaled_dot_product_attention(*qkv)
    found = linear.attention(*qkv.to(torch.bfloat16))
    assert found.shape == expected.shape
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=2e-2)
    torch.testing.assert_close(linear.attention(*qkv), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("gelu", [False, True])
def test_packed_linear_matches_torch(dtype: torch.dtype, gelu: bool) -> None:
    weight, bias, x = torch.randn(24, 16).to(dtype), torch.randn(24).to(dtype), torch.randn(7, 16).to(dtype)
    for added in (bias, None):
        expected = torch.nn.functional.linear(x.float(), weight.float(), None if added is None else added.float())
        if gelu:
            expected = torch.nn.functional.gelu(expected, approximate="tanh")
        layer = linear.PackedLinear(16, 24, bias=added is not None, gelu=gelu).to(dtype)
        layer.load_state_dict({"weight": weight} if added is None else {"weight": weight, "bias": added})
        layer.pack()
        found = layer(x)
        assert found.dtype == dtype
        rtol = 1e-5 if dtype == torch.float32 else 1e-2
        torch.testing.assert_close(found.float(), expected, rtol=rtol, atol=rtol)
