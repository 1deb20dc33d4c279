"""Memory limits of a CPU worker, which would otherwise grow with every new batch size."""

from __future__ import annotations

import ctypes

# Read by oneDNN and by torch's wrapper of it at first use. Their default is 1024.
CACHE_LIMIT_VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
MAX_CACHED_KERNELS = 128  # a batch needs about ten; creating one takes a few milliseconds


def limit_onednn_cache() -> None:
    """Limit oneDNN's cache of kernels; it compiles one per shape, of half a megabyte or more.

    Call before torch computes anything. Variables that are already set are kept.
    """
    for name in CACHE_LIMIT_VARIABLES:
        ctypes.CDLL(None).setenv(name.encode(), str(MAX_CACHED_KERNELS).encode(), 0)


def return_freed() -> None:
    """Return freed memory to the operating system. glibc keeps fragments between used blocks, and they accumulate."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
