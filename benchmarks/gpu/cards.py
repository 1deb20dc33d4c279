"""Peak rates of devices: dense matrix products and memory reads, from NVIDIA's data sheets or measured here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

# By words of the name that torch gives the card; the first match counts. TFLOP/s of dense bfloat16 or float16 products
# with float32 sums, of float32 ones outside the tensor cores, and GB/s of memory.
DATA_SHEETS: dict[str, tuple[float, float, float]] = {
    "H200 NVL": (836, 60, 4800),
    "H200": (989, 67, 4800),
    "H100 NVL": (836, 60, 3900),
    "H100 PCIe": (756, 51, 2000),
    "H100": (989, 67, 3350),  # SXM: "NVIDIA H100 80GB HBM3"
    "A100-SXM4-80GB": (312, 19.5, 2039),
    "A100 80GB PCIe": (312, 19.5, 1935),
    "A100": (312, 19.5, 1555),
    "L40S": (362, 91.6, 864),
    "A10G": (70, 35, 600),
    "L4": (121, 30.3, 300),
    "T4": (65, 8.1, 320),
}
MATRIX = {"cuda": 4096, "cpu": 1024}
READ_BYTES = {"cuda": 2**30, "cpu": 2**28}
TRIES = 5


@dataclass(frozen=True)
class Card:
    """A device's limits.

    :param tflops: by dtype, e.g. ``bfloat16``.
    :param source: ``data sheet`` or ``measured here``.
    """

    name: str
    tflops: dict[str, float]
    gb_s: float
    source: str


def card_of(device: str) -> Card:
    """Return the peak rates of a card; for a device not in the table, those that a product and a sum reach."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    for part, (half, single, gb_s) in DATA_SHEETS.items():
        if re.search(rf"\b{part}\b", name) and "MIG" not in name:  # which is a part of a card
            tflops = {"bfloat16": half, "float16": half, "float32": single}
            return Card(name, tflops, gb_s, "data sheet")
    dtypes = (torch.float32, torch.bfloat16) if name == "CPU" else (torch.float32, torch.bfloat16, torch.float16)
    measured = {str(dtype).removeprefix("torch."): product_tflops(device, dtype) for dtype in dtypes}
    return Card(name, measured, bandwidth_gb_s(device), "measured here")


def product_tflops(device: str, dtype: torch.dtype) -> float:
    """Return how fast a large product is, the best of some runs."""
    size = MATRIX[torch.device(device).type]
    a, b = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    return 2 * size**3 / best_s(lambda: (a @ b)[0, 0].item()) / 1e12


def bandwidth_gb_s(device: str) -> float:
    """Return how fast memory is read: a large array summed up, the best of some runs."""
    data = torch.ones(READ_BYTES[torch.device(device).type] // 4, device=device)
    return data.nbytes / best_s(lambda: data.sum().item()) / 1e9


def best_s(work: Callable[[], object]) -> float:
    """Return the shortest of some runs of something that waits for its result, in seconds."""
    times = []
    for _ in range(TRIES):
        began_at = time.perf_counter()
        work()
        times.append(time.perf_counter() - began_at)
    return min(times[1:])
