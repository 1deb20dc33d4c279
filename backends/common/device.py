"""Where an engine computes, and in which precision."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from backends.errors import FatalFault, LoadError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FASTER_BY = 1.2  # bfloat16 has to win by this factor on a CPU before its rounding is worth it
PROBE_ROWS, PROBE_WIDTH = 512, 1024


def pick_device(requested: str, where: str) -> torch.device:
    """Turn a configured device into one that exists; ``auto`` is the first GPU, or else the CPU.

    :param where: the engine's place in the configuration, e.g. ``engines.f5``.
    :raises LoadError: naming the key.
    """
    key = f"configuration key {where}.device"
    if requested == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(requested)
    except RuntimeError:
        raise LoadError(f"{key}: {requested!r} is no device; use auto, cpu, cuda or cuda:0 …") from None
    if device.type not in ("cpu", "cuda"):
        raise LoadError(f"{key}: {requested!r} is not supported; use auto, cpu, cuda or cuda:0 …")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if not count:
            raise LoadError(f"{key}: {requested!r} was asked for, but torch {torch.__version__} finds no CUDA device")
        if (device.index or 0) >= count:
            raise LoadError(f"{key}: {requested!r} was asked for, but the last device here is cuda:{count - 1}")
        return torch.device("cuda", device.index or 0)
    return torch.device("cpu")


def pick_dtype(requested: str, device: torch.device, where: str) -> torch.dtype:
    """Turn a configured precision into one this device is good at.

    ``auto`` on a GPU follows its compute capability: bfloat16 from 8.0 on, float16 from 7.0 (a T4 is 7.5), float32
    below. On a CPU it is bfloat16 where the CPU has instructions for it and a product measured here is faster.

    :raises LoadError: naming the key.
    """
    key = f"configuration key {where}.dtype"
    if requested != "auto":
        if requested not in DTYPES:
            raise LoadError(f"{key}: {requested!r} is not one of auto, {', '.join(DTYPES)}")
        if device.type == "cpu" and requested == "float16":
            raise LoadError(f"{key}: float16 is for GPUs; a CPU computes in float32 or bfloat16")
        return DTYPES[requested]
    if device.type == "cuda":
        return dtype_of_capability(torch.cuda.get_device_capability(device))
    return torch.bfloat16 if has_bfloat16_instructions() and bfloat16_is_faster() else torch.float32


def dtype_of_capability(capability: tuple[int, int]) -> torch.dtype:
    """The precision whose products a GPU of that compute capability does fast."""
    if capability >= (8, 0):
        return torch.bfloat16
    return torch.float16 if capability >= (7, 0) else torch.float32


def has_bfloat16_instructions() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AMX or AVX512-BF16); without, it would be emulated."""
    features = torch.cpu.get_capabilities()
    return any(features.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def bfloat16_is_faster() -> bool:
    """Measure one linear layer in both precisions, some 30 ms; some CPUs have the instructions and gain nothing."""
    taken_s = {}
    for dtype in (torch.float32, torch.bfloat16):
        rows = torch.ones(PROBE_ROWS, PROBE_WIDTH, dtype=dtype)
        weight = torch.ones(PROBE_WIDTH, PROBE_WIDTH, dtype=dtype)
        tries = []
        for _ in range(4):
            started_s = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            tries.append(time.perf_counter() - started_s)
        taken_s[dtype] = min(tries)
    return taken_s[torch.bfloat16] * FASTER_BY < taken_s[torch.float32]


@contextmanager
def fatal_when_lost() -> Iterator[None]:
    """Turn an error of the device itself, after which no kernel runs any more, into ``FatalFault``.

    Running out of memory is none: it is a ``RuntimeError`` of its own, and the device goes on.
    """
    try:
        yield
    except torch.AcceleratorError as error:
        raise FatalFault(f"the device failed: {error}") from error
