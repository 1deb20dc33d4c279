"""Every form a checkpoint can have gives the network it stands for, and what does not fit is refused by name."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from fish.lm_synthetic import CPU, FORMS, TINY, as_int8, from_tensors, in_form, is_linear, lora, shapes
from fish.lm_synthetic import write_language_model as write
from fish.synthetic import tensors
from msgspec import structs
from torch import Tensor

from backends.errors import LoadError
from backends.fish.v0_2.lm.checkpoint import load_language_model
from backends.fish.v0_2.lm.kv_cache import Prompt
from backends.fish.v0_2.lm.linear import Int8, quantized
from backends.fish.v0_2.lm.model import LanguageModel

WHERE = "engines.fish.model.lm_config"
FLOAT_FORMS = [form for form in FORMS if form not in ("int8", "int4", "lora")]
ROUNDED = 2e-2  # activations rounded to bfloat16 on their way through 8-bit layers


def load(path: Path, dtype: torch.dtype = torch.float32, quantize: str | None = None, **sizes: Any) -> LanguageModel:
    return load_language_model(path, structs.replace(TINY, **sizes), CPU, dtype, quantize, WHERE)


def said(model: LanguageModel) -> Tensor:
    """Logits of a prompt's columns."""
    ids = torch.randint(2, 160, (20, 5), generator=torch.Generator().manual_seed(1))
    ids[:9, 1:] = 0
    with torch.inference_mode():
        return model(ids, torch.arange(20), Prompt(model.cache(1, 64), 0, 0, 20, 20))


def apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module")
def bare() -> Tensor:
    return said(from_tensors(tensors(shapes(TINY), 1), TINY))


@pytest.mark.parametrize("form", FLOAT_FORMS)
def test_every_form_of_the_same_weights_is_the_same_network(form: Any, tmp_path: Path, bare: Tensor) -> None:
    assert torch.equal(said(load(write(tmp_path, TINY, form=form))), bare)


def test_a_file_is_let_go_of_once_it_is_loaded(tmp_path: Path) -> None:
    maps = Path("/proc/self/maps")
    for form, dtype in (("bare", torch.float32), ("int8", torch.float32)):
        path = write(tmp_path, TINY, form=form)  # type: ignore[arg-type]
        model = load(path, dtype)
        gc.collect()
        assert str(path) not in maps.read_text()
        path.write_bytes(b"")
        assert said(model).isfinite().all()


def test_eight_bits_are_recognised_by_what_is_in_the_file_and_mean_their_scaled_values(tmp_path: Path) -> None:
    path = write(tmp_path, TINY, form="int8").rename(tmp_path / "model.pth")
    stored = as_int8(tensors(shapes(TINY), 1))
    plain = {name: value.float() for name, value in stored.items() if not name.endswith(".scales")}
    for name in filter(is_linear, plain):
        plain[name] *= stored[name.replace(".weight", ".scales")].float()[:, None]
    expected = said(from_tensors(plain, TINY))
    for quantize in (None, "int8"):
        model = load(path, quantize=quantize)
        assert isinstance(model.output, Int8)
        assert apart(said(model), expected) < ROUNDED
    assert apart(said(load(path, torch.bfloat16)), expected) < 2 * ROUNDED


def test_weights_are_rounded_while_loading_where_that_is_asked(tmp_path: Path, bare: Tensor) -> None:
    model = load(write(tmp_path, TINY), quantize="int8")
    assert all(isinstance(linear, Int8) for block in model.blocks for linear in (block.wqkv, block.wo, block.w13))
    assert 0 < apart(said(model), bare) < 2 * ROUNDED
    exact = load(write(tmp_path, TINY))
    assert model.weight_bytes < exact.weight_bytes / 3.85  # scales are bfloat16


def test_rounding_is_off_by_half_a_step() -> None:
    """The largest value by a whole one at most: 127 steps are the most there are, and scales are bfloat16."""
    weight = torch.randn(50, 64, generator=torch.Generator().manual_seed(2)) * torch.logspace(-4, 2, 50)[:, None]
    weight[7] = 0
    rounded = quantized(weight)
    off = (rounded.weight.float() * rounded.scales.float()[:, None] - weight).abs()
    step = weight.abs().amax(1, keepdim=True) / 127.5
    assert (off <= 1.0 * step).all()
    assert (off <= 0.503 * step).float().mean() > 0.97
    assert rounded.weight.min() < -120


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lora_is_merged_as_the_official_module_merges_it(dtype: torch.dtype, tmp_path: Path) -> None:
    base = tensors(shapes(TINY), 1)
    added = lora(base, 1)
    plain = {}
    for name, value in base.items():
        module = name.removesuffix(".weight")
        weight = value.to(dtype)
        if f"{module}.lora_A" in added:
            change = added[f"{module}.lora_B"].to(dtype) @ added[f"{module}.lora_A"].to(dtype)
            weight = weight + (change.T if module == "embeddings" else change) * 2.0
        plain[name] = weight
    expected = said(from_tensors(plain, TINY, dtype))
    assert torch.equal(said(load(write(tmp_path, TINY, form="lora"), dtype)), expected)
    assert apart(said(from_tensors(base, TINY, dtype)), expected) > 0.1


def test_half_of_alpha_over_rank_is_read_from_the_shapes(tmp_path: Path) -> None:
    """Rank 4 doubles the scale of rank 8."""
    state = in_form(tensors(shapes(TINY), 1), TINY, "bare")
    down, up = torch.randn(4, 64), torch.randn(TINY.vocab_size + 4 * 168, 4)
    torch.save({**state, "output.lora_A": down, "output.lora_B": up}, tmp_path / "a.pth")
    torch.save({**state, "output.weight": state["output.weight"] + up @ down * 4}, tmp_path / "b.pth")
    assert apart(said(load(tmp_path / "a.pth")), said(load(tmp_path / "b.pth"))) < 1e-6


def spoil(tmp_path: Path, **changes: Tensor | None) -> Path:
    """A bare checkpoint with some tensors (names written with ``__``) others or gone."""
    state = in_form(tensors(shapes(TINY), 1), TINY, "bare")
    for name, value in changes.items():
        key = name.replace("__", ".")
        state.pop(key, None)
        if value is not None:
            state[key] = value
    torch.save(state, tmp_path / "spoilt.pth")
    return tmp_path / "spoilt.pth"


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"vocab_size": 299},
            r"embeddings\.weight .*lm_config says vocab_size \+ num_codebooks \* codebook_size = 971",
        ),
        ({"num_codebooks": 2}, r"embeddings\.weight has shape \(972, 64\)"),
        ({"dim": 32}, "dim = 32"),
        ({"n_local_heads": 2}, r"wqkv\.weight has shape \(192, 64\).*n_local_heads\) \* head_dim = 128"),
        ({"intermediate_size": 512}, r"w1\.weight.*intermediate_size = 512"),
        ({"n_layer": 3}, "has 2 layers.*n_layer = 3"),
        ({"n_layer": 1}, "has 2 layers.*n_layer = 1"),
    ],
)
def test_other_sizes_are_named_with_their_keys(sizes: dict[str, int], message: str, tmp_path: Path) -> None:
    path = write(tmp_path, TINY)
    with pytest.raises(LoadError, match=message) as refused:
        load(path, **sizes)
    assert WHERE in str(refused.value)
    assert str(path) in str(refused.value)


def test_four_bits_are_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"4 bits.*quantize: int8"):
        load(write(tmp_path, TINY, form="int4"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers__1__ffn_norm__weight": None}, r"no weights named layers\.1\.ffn_norm\.weight"),
        ({"output__weight": None}, r"no weights named output\.weight"),
        ({"fast_layers__0__attention__wo__weight": torch.zeros(2)}, "no place for: fast_layers"),
        ({"norm__weight": torch.zeros(65)}, r"norm\.weight has shape \(65,\)"),
        ({"output__scales": torch.ones(972)}, r"output\.weight is float32 of shape \(972, 64\), not int8"),
        ({"layers__0__attention__wo__weight": torch.zeros(64, 64, dtype=torch.int8)}, "wo.weight holds int8"),
        ({"layers__0__attention__wq__weight": torch.zeros(64, 64)}, r"not both of wk and wv"),
        ({"output__lora_A": torch.zeros(8, 64)}, "LoRA weights of output do not fit"),
        ({"output__lora_A": torch.zeros(8, 64), "output__lora_B": torch.zeros(3, 8)}, "LoRA weights of output"),
        ({"nothing__lora_A": torch.zeros(8, 64), "nothing__lora_B": torch.zeros(64, 8)}, "LoRA weights of nothing"),
    ],
)
def test_what_is_missing_or_has_no_place_is_named(
    changes: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(LoadError, match=message):
        load(spoil(tmp_path, **changes))


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": {"model.x": Evil()}}, tmp_path / "evil.pth")
    with pytest.raises(LoadError, match="refused"):
        load(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out
