"""Prefetching of batches in a thread, so that a GPU does not wait for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

STALLED_S = 120.0


def prefetch(batches: Iterator[T], count: int = 4) -> Iterator[T]:
    """Yield the same batches, of which up to ``count`` are computed in advance.

    :raises queue.Empty: the thread died, or a batch took longer than ``STALLED_S``.
    """
    waiting: queue.Queue[T] = queue.Queue(count)

    def work() -> None:
        for batch in batches:
            waiting.put(batch)

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield waiting.get(timeout=STALLED_S)
