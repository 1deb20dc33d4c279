"""The transformer beyond the golden files: grouped-query attention, memory of the cache, position-independent rows."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from msgspec import structs
from support.fish.lm import CPU, TINY, from_tensors, shapes
from support.fish.weights import tensors
from torch import Tensor

from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm.kv_cache import KVCache, PerSlotDecodeAttention, PrefillAttention
from backends.fish.v0_2.lm.model import LanguageModel, Sizes, _swiglu, rowwise

PAGE = resource.getpagesize()


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def logits(model: LanguageModel, count: int = 30) -> Tensor:
    """Logits after a prompt, and after one more token."""
    ids = torch.randint(2, 160, (count, 5), generator=torch.Generator().manual_seed(1))
    cache = model.cache(2, 64)
    with torch.inference_mode():
        prompt = model(ids[:-1], torch.arange(count - 1), PrefillAttention(cache, 1, 0, count - 1, count - 1))
        last = model(ids[-1:], torch.tensor([count - 1]), PerSlotDecodeAttention(cache, [(1, count - 1)], 1))
    return torch.cat((prompt, last))


@pytest.mark.parametrize(("kv_heads", "head_dim"), [(2, None), (1, None), (4, 24), (2, 32)])
def test_grouped_query_attention_equals_heads_with_copied_keys(kv_heads: int, head_dim: int | None) -> None:
    config = structs.replace(TINY, n_local_heads=kv_heads, head_dim=head_dim)
    sizes = Sizes.of(config)
    state = tensors(shapes(config), 1)
    full = dict(state)
    for name in [name for name in state if "wqkv" in name]:
        q, k, v = state[name].split([sizes.heads * sizes.head_dim, *[kv_heads * sizes.head_dim] * 2])
        copies = [
            part.view(kv_heads, sizes.head_dim, -1).repeat_interleave(4 // kv_heads, 0).flatten(0, 1) for part in (k, v)
        ]
        full[name] = torch.cat((q, *copies))
    expected = logits(from_tensors(full, structs.replace(config, n_local_heads=None)))
    assert (logits(from_tensors(state, config)) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_decoding_a_token_equals_prefilling_it() -> None:
    model = from_tensors(tensors(shapes(TINY), 1), TINY)
    ids = torch.randint(2, 160, (30, 5), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = model(ids, torch.arange(30), PrefillAttention(model.cache(1, 64), 0, 0, 30, 30))
    assert (logits(model) - whole).abs().max() < 1e-5 * whole.abs().max()


def test_default_sizes_are_the_official_presets() -> None:
    assert Sizes.of(LMConfig()) == Sizes(heads=16, kv_heads=16, head_dim=64, hidden=2816, ids=37080)
    assert Sizes.of(structs.replace(TINY, n_local_heads=2, intermediate_size=100)).hidden == 100
    assert sum(torch.Size(shape).numel() for shape in shapes(LMConfig()).values()) == 384_271_360


def test_cache_uses_memory_only_for_stored_tokens() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE

    before = resident()
    cache = KVCache(layers=24, slots=16, max_tokens=4096, heads=16, head_width=64, device=CPU, dtype=torch.bfloat16)
    assert sum(layer.nbytes for layer in cache.layers) > 12e9
    cache.put(3, 5, 100, torch.ones(20, 2, 16, 64))
    assert resident() - before < 50e6


@pytest.mark.usefixtures("three_threads")
def test_elementwise_results_do_not_depend_on_a_rows_position() -> None:
    row = torch.randn(2, 2816, generator=torch.Generator().manual_seed(1))
    expected = _swiglu(row[:1], row[1:])
    for rows in range(1, 40):
        out = rowwise(_swiglu, row[:1].expand(rows, -1).contiguous(), row[1:].expand(rows, -1).contiguous())
        assert out.shape == (rows, 2816)
        assert all(torch.equal(one, expected[0]) for one in out), rows
