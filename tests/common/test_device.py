"""Selection of device and dtype."""

from __future__ import annotations

import pytest
import torch

from backends.common import device as chosen
from backends.common.device import dtype_of_capability, fatal_when_lost, pick_device, pick_dtype
from backends.errors import FatalFault, LoadError

CPU = torch.device("cpu")


def test_existing_device_is_used() -> None:
    assert pick_device("cpu", "engines.x") == CPU
    assert pick_device("auto", "engines.x").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu9", "cuda:99", "mps", "meta"])
def test_missing_device_is_refused_by_key(name: str) -> None:
    with pytest.raises(LoadError, match=r"configuration key engines\.x\.device"):
        pick_device(name, "engines.x")


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16), ((6, 1), torch.float32)],
)
def test_dtype_follows_the_compute_capability(capability: tuple[int, int], dtype: torch.dtype) -> None:
    assert dtype_of_capability(capability) == dtype


@pytest.mark.parametrize(
    ("instructions", "faster", "dtype"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_cpu_uses_bfloat16_only_if_it_is_faster(
    instructions: bool, faster: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "has_bfloat16_instructions", lambda: instructions)
    monkeypatch.setattr(chosen, "bfloat16_is_faster", lambda: faster)
    assert pick_dtype("auto", CPU, "engines.x") == dtype
    assert pick_dtype("float32", CPU, "engines.x") == torch.float32


def test_bfloat16_measurement_returns_a_bool() -> None:
    assert chosen.bfloat16_is_faster() in (True, False)
    assert chosen.has_bfloat16_instructions() in (True, False)


@pytest.mark.parametrize("name", ["float64", "float16"])
def test_unsupported_dtype_is_refused_by_key(name: str) -> None:
    with pytest.raises(LoadError, match=r"configuration key engines\.x\.dtype"):
        pick_dtype(name, CPU, "engines.x")


def test_first_available_dtype_of_a_list_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "has_bfloat16_instructions", lambda: False)
    assert pick_dtype("float16,auto", CPU, "engines.x") == torch.float32
    assert pick_dtype("float16,bfloat16", CPU, "engines.x") == torch.bfloat16
    assert pick_dtype("bfloat16,auto", CPU, "engines.x") == torch.bfloat16
    assert pick_dtype("float16,auto", torch.device("cuda"), "engines.x") == torch.float16
    with pytest.raises(LoadError, match="float16 needs a GPU"):
        pick_dtype("float64,float16", CPU, "engines.x")


def test_lost_device_is_fatal_and_out_of_memory_is_not() -> None:
    with pytest.raises(FatalFault), fatal_when_lost():
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")
    with pytest.raises(torch.OutOfMemoryError), fatal_when_lost():
        raise torch.OutOfMemoryError("full")
