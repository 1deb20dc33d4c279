"""Keeping a worker that computes on a CPU from growing with every batch of a new size."""

from __future__ import annotations

import ctypes

# Variables that oneDNN, and torch's layer over it, read when they are first used. Their own bound is 1024.
CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
KEPT_KERNELS = 128  # a batch takes some ten, and a new one a few milliseconds to make


def bound_kernels() -> None:
    """Let oneDNN keep fewer of the kernels that it makes for every shape it meets, each of half a megabyte or more.

    Call before torch computes anything. What the environment says already stays.
    """
    for name in CACHES:
        ctypes.CDLL(None).setenv(name.encode(), str(KEPT_KERNELS).encode(), 0)


def return_freed() -> None:
    """Hand freed memory back to the system. glibc keeps what lies between blocks in use, ever more of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
