"""Selection of device and dtype."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from backends.errors import FatalFault, LoadError

_log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MIN_BFLOAT16_SPEEDUP = 1.2  # below this, the precision of float32 is worth more on a CPU
PROBE_ROWS, PROBE_WIDTH = 512, 1024


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a dtype in the configuration, e.g. ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def pick_device(requested: str, where: str) -> torch.device:
    """Resolve the configured device; ``auto`` is the first GPU, or the CPU without one.

    :param where: path of the engine in the configuration, e.g. ``engines.f5``.
    :raises LoadError: the message names the key.
    """
    key = f"configuration key {where}.device"
    if requested == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(requested)
    except RuntimeError:
        raise LoadError(f"{key}: {requested!r} is not a device; use auto, cpu, cuda or cuda:0 …") from None
    if device.type not in ("cpu", "cuda"):
        raise LoadError(f"{key}: {requested!r} is not supported; use auto, cpu, cuda or cuda:0 …")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if not count:
            raise LoadError(f"{key}: {requested!r} is configured, but torch {torch.__version__} finds no CUDA device")
        if (device.index or 0) >= count:
            raise LoadError(f"{key}: {requested!r} is configured, but the last device is cuda:{count - 1}")
        return torch.device("cuda", device.index or 0)
    return torch.device("cpu")


def pick_dtype(requested: str, device: torch.device, where: str) -> torch.dtype:
    """Resolve the configured dtype, or the first one of a list such as ``float16,auto`` that the device has.

    On a GPU, ``auto`` follows the compute capability: bfloat16 from 8.0, float16 from 7.0 (T4: 7.5), else float32.
    On a CPU, ``auto`` is bfloat16 if the CPU has instructions for it and a short measurement shows that it is faster.

    :raises LoadError: the message names the key.
    """
    key = f"configuration key {where}.dtype"
    first, _, others = requested.partition(",")
    if others:
        try:
            return pick_dtype(first, device, where)
        except LoadError as error:
            _log.warning("%s; trying %s", error, others)
            return pick_dtype(others, device, where)
    if requested != "auto":
        if requested not in DTYPES:
            raise LoadError(f"{key}: {requested!r} is not one of auto, {', '.join(DTYPES)}")
        if device.type == "cpu" and requested == "float16":
            raise LoadError(f"{key}: float16 needs a GPU; use float32 or bfloat16 on a CPU")
        return DTYPES[requested]
    if device.type == "cuda":
        return dtype_of_capability(torch.cuda.get_device_capability(device))
    return torch.bfloat16 if has_bfloat16_instructions() and bfloat16_is_faster() else torch.float32


def dtype_of_capability(capability: tuple[int, int]) -> torch.dtype:
    """The fastest dtype of a GPU with that compute capability."""
    if capability >= (8, 0):
        return torch.bfloat16
    return torch.float16 if capability >= (7, 0) else torch.float32


def has_bfloat16_instructions() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AMX or AVX512-BF16) instead of emulating it."""
    features = torch.cpu.get_capabilities()
    return any(features.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def bfloat16_is_faster() -> bool:
    """Time one linear layer in both dtypes (30 ms); some CPUs have the instructions and are not faster."""
    elapsed_s = {}
    for dtype in (torch.float32, torch.bfloat16):
        rows = torch.ones(PROBE_ROWS, PROBE_WIDTH, dtype=dtype)
        weight = torch.ones(PROBE_WIDTH, PROBE_WIDTH, dtype=dtype)
        runs = []
        for _ in range(4):
            started_s = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            runs.append(time.perf_counter() - started_s)
        elapsed_s[dtype] = min(runs)
    return elapsed_s[torch.bfloat16] * MIN_BFLOAT16_SPEEDUP < elapsed_s[torch.float32]


@contextmanager
def fatal_when_lost() -> Iterator[None]:
    """Translate an error of the device, after which no kernel runs, into ``FatalFault``.

    Out of memory is not such an error: it is a ``RuntimeError``, and the device remains usable.
    """
    try:
        yield
    except torch.AcceleratorError as error:
        raise FatalFault(f"the device failed: {error}") from error
