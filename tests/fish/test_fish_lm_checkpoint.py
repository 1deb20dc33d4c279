"""Language-model checkpoints: every form loads, and a checkpoint that does not fit is rejected by name."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from support.fish.lm import CPU, FORMS, TINY, as_int8, from_tensors, in_form, is_linear, lora, shapes
from support.fish.lm import write_language_model as write
from support.fish.weights import tensors
from torch import Tensor, nn

from backends.errors import LoadError
from backends.fish.v0_2.lm.checkpoint import load_language_model
from backends.fish.v0_2.lm.kv_cache import PrefillAttention
from backends.fish.v0_2.lm.linear import Int8Linear, PackedLinear, quantize_int8
from backends.fish.v0_2.lm.model import LanguageModel

WHERE = "engines.fish.model.lm_config"
FLOAT_FORMS = [form for form in FORMS if form not in ("int8", "int4", "lora")]
INT8_TOLERANCE = 2e-2  # 8-bit layers round activations to bfloat16


def load(path: Path, dtype: torch.dtype = torch.float32, quantize: str | None = None, **sizes: Any) -> LanguageModel:
    return load_language_model(path, structs.replace(TINY, **sizes), CPU, dtype, quantize, WHERE)


def logits(model: LanguageModel) -> Tensor:
    """Logits of a prompt's columns."""
    ids = torch.randint(2, 160, (20, 5), generator=torch.Generator().manual_seed(1))
    ids[:9, 1:] = 0
    with torch.inference_mode():
        return model(ids, torch.arange(20), PrefillAttention(model.cache(1, 64), 0, 0, 20, 20))


def relative_error(computed: Tensor, expected: Tensor) -> float:
    return float((computed - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module")
def bare() -> Tensor:
    return logits(from_tensors(tensors(shapes(TINY), 1), TINY))


@pytest.mark.parametrize("form", FLOAT_FORMS)
def test_every_form_of_the_same_weights_gives_the_same_logits(form: Any, tmp_path: Path, bare: Tensor) -> None:
    assert torch.equal(logits(load(write(tmp_path, TINY, form=form))), bare)


def test_file_is_unmapped_after_loading(tmp_path: Path) -> None:
    maps = Path("/proc/self/maps")
    for form, dtype in (("bare", torch.float32), ("int8", torch.float32)):
        path = write(tmp_path, TINY, form=form)  # type: ignore[arg-type]
        model = load(path, dtype)
        gc.collect()
        assert str(path) not in maps.read_text()
        path.write_bytes(b"")
        assert logits(model).isfinite().all()


def test_int8_checkpoint_is_recognized_by_its_tensors(tmp_path: Path) -> None:
    path = write(tmp_path, TINY, form="int8").rename(tmp_path / "model.pth")
    stored = as_int8(tensors(shapes(TINY), 1))
    plain = {name: value.float() for name, value in stored.items() if not name.endswith(".scales")}
    for name in filter(is_linear, plain):
        plain[name] *= stored[name.replace(".weight", ".scales")].float()[:, None]
    expected = logits(from_tensors(plain, TINY))
    for quantize in (None, "int8"):
        model = load(path, quantize=quantize)
        assert isinstance(model.output, Int8Linear)
        assert relative_error(logits(model), expected) < INT8_TOLERANCE
    assert relative_error(logits(load(path, torch.bfloat16)), expected) < 2 * INT8_TOLERANCE


def test_quantize_int8_rounds_weights_while_loading(tmp_path: Path, bare: Tensor) -> None:
    model = load(write(tmp_path, TINY), quantize="int8")
    assert not any(isinstance(layer, nn.Linear | PackedLinear) for layer in model.modules())
    assert 0 < relative_error(logits(model), bare) < 2 * INT8_TOLERANCE
    exact = load(write(tmp_path, TINY))
    assert model.weight_bytes < exact.weight_bytes / 3.85  # scales are bfloat16


def test_quantization_error_is_at_most_half_a_step() -> None:
    """Except for the largest values, which are clamped to 127 steps, and for the rounding of scales to bfloat16."""
    weight = torch.randn(50, 64, generator=torch.Generator().manual_seed(2)) * torch.logspace(-4, 2, 50)[:, None]
    weight[7] = 0
    rounded = quantize_int8(weight)
    off = (rounded.weight.float() * rounded.scales.float()[:, None] - weight).abs()
    step = weight.abs().amax(1, keepdim=True) / 127.5
    assert (off <= 1.0 * step).all()
    assert (off <= 0.503 * step).float().mean() > 0.97
    assert rounded.weight.min() < -120


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lora_is_merged_as_by_the_official_module(dtype: torch.dtype, tmp_path: Path) -> None:
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
    expected = logits(from_tensors(plain, TINY, dtype))
    assert torch.equal(logits(load(write(tmp_path, TINY, form="lora"), dtype)), expected)
    assert relative_error(logits(from_tensors(base, TINY, dtype)), expected) > 0.1


def test_lora_rank_follows_from_the_shapes(tmp_path: Path) -> None:
    """Rank 4 has twice the scale of rank 8."""
    state = in_form(tensors(shapes(TINY), 1), TINY, "bare")
    down, up = torch.randn(4, 64), torch.randn(TINY.vocab_size + 4 * 168, 4)
    torch.save({**state, "output.lora_A": down, "output.lora_B": up}, tmp_path / "a.pth")
    torch.save({**state, "output.weight": state["output.weight"] + up @ down * 4}, tmp_path / "b.pth")
    assert relative_error(logits(load(tmp_path / "a.pth")), logits(load(tmp_path / "b.pth"))) < 1e-6


def write_changed(tmp_path: Path, **changes: Tensor | None) -> Path:
    """Write a bare checkpoint with some tensors (names with ``__`` for a dot) replaced, or removed if None."""
    state = in_form(tensors(shapes(TINY), 1), TINY, "bare")
    for name, value in changes.items():
        key = name.replace("__", ".")
        state.pop(key, None)
        if value is not None:
            state[key] = value
    torch.save(state, tmp_path / "changed.pth")
    return tmp_path / "changed.pth"


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
def test_mismatching_sizes_are_named_with_their_keys(sizes: dict[str, int], message: str, tmp_path: Path) -> None:
    path = write(tmp_path, TINY)
    with pytest.raises(LoadError, match=message) as caught:
        load(path, **sizes)
    assert WHERE in str(caught.value)
    assert str(path) in str(caught.value)


def test_int4_checkpoint_is_rejected_with_an_alternative(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"4-bit.*quantize: int8"):
        load(write(tmp_path, TINY, form="int4"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers__1__ffn_norm__weight": None}, r"no weights named layers\.1\.ffn_norm\.weight"),
        ({"output__weight": None}, r"no weights named output\.weight"),
        ({"fast_layers__0__attention__wo__weight": torch.zeros(2)}, "no place for: fast_layers"),
        ({"norm__weight": torch.zeros(65)}, r"norm\.weight has shape \(65,\)"),
        ({"output__scales": torch.ones(972)}, r"output\.weight is float32 of shape \(972, 64\), not int8"),
        ({"layers__0__attention__wo__weight": torch.zeros(64, 64, dtype=torch.int8)}, "wo.weight is int8"),
        ({"layers__0__attention__wq__weight": torch.zeros(64, 64)}, r"not both wk and wv"),
        ({"output__lora_A": torch.zeros(8, 64)}, "LoRA weights of output do not fit"),
        ({"output__lora_A": torch.zeros(8, 64), "output__lora_B": torch.zeros(3, 8)}, "LoRA weights of output"),
        ({"nothing__lora_A": torch.zeros(8, 64), "nothing__lora_B": torch.zeros(64, 8)}, "LoRA weights of nothing"),
    ],
)
def test_missing_and_unexpected_tensors_are_named(
    changes: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(LoadError, match=message):
        load(write_changed(tmp_path, **changes))


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("executed",))


def test_pickled_code_is_not_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": {"model.x": Evil()}}, tmp_path / "evil.pth")
    with pytest.raises(LoadError, match="refused"):
        load(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out
