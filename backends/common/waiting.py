"""Samples that wait for room in the batch, in an order that is fair to the jobs they belong to.

Fair queueing: a sample's tag is the work its job has asked for before it, counted from when the job came on a clock
that runs as fast as each waiting job would be served if all were served at once. The sample with the lowest tag is
next: a book of forty pieces does not keep a single sentence waiting, and no stream of single sentences keeps the book
waiting for ever.
"""

from __future__ import annotations

import heapq
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Work(Protocol):
    """What can wait: something with an id, of some job, of some size."""

    @property
    def id(self) -> str: ...  # noqa: D102 - see the class

    @property
    def owner(self) -> str: ...  # noqa: D102

    @property
    def frames(self) -> int: ...  # noqa: D102


W = TypeVar("W", bound=Work)


@dataclass(order=True)
class _Entry(Generic[W]):
    tag: float
    arrival: int
    work: W = field(compare=False)


class Waiting(Generic[W]):
    """A queue; ``next`` shows the head and ``pop`` takes it."""

    def __init__(self) -> None:
        self._heap: list[_Entry[W]] = []
        self._asked: dict[str, float] = {}  # where each owner's next tag starts
        self._clock = 0.0
        self._taken = 0  # frames of the last one popped: the clock counts them when the next one is
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, work: W) -> None:
        """Put a sample behind its owner's earlier ones."""
        tag = max(self._clock, self._asked.get(work.owner, 0.0))
        self._asked[work.owner] = tag + work.frames
        self._arrivals += 1
        heapq.heappush(self._heap, _Entry(tag, self._arrivals, work))

    @property
    def next(self) -> W:
        """The sample that comes first; there has to be one."""
        return self._heap[0].work

    def pop(self) -> W:
        """Take the first sample."""
        entry = heapq.heappop(self._heap)
        owners = {entry.work.owner, *(other.work.owner for other in self._heap)}
        self._clock += self._taken / len(owners)
        self._taken = entry.work.frames
        self._asked = {owner: tag for owner, tag in self._asked.items() if tag > self._clock}
        self._rest()
        return entry.work

    def remove(self, ids: Container[str]) -> None:
        """Forget samples."""
        self._heap = [entry for entry in self._heap if entry.work.id not in ids]
        heapq.heapify(self._heap)
        self._rest()

    def _rest(self) -> None:
        """Start over when nobody waits."""
        if not self._heap:
            self._asked.clear()
            self._clock, self._taken = 0.0, 0
