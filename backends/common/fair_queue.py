"""Start-time fair queueing (Goyal, Vin and Cheng, 1996) of work items that belong to different jobs.

Each item gets a start tag: the virtual time at which its job's earlier items would be finished if all jobs shared the
server equally. The item with the lowest tag is served next, so a long job does not delay a short one, and a stream of
short jobs does not starve a long one.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class WorkItem(Protocol):
    """An item with an identifier, the job that owns it, and a cost in frames (read-only, so frozen classes qualify)."""

    @property
    def id(self) -> Hashable: ...  # noqa: D102 - see the class

    @property
    def owner(self) -> str: ...  # noqa: D102

    @property
    def frames(self) -> int: ...  # noqa: D102


T = TypeVar("T", bound=WorkItem)


@dataclass(order=True)
class _Entry(Generic[T]):
    start_tag: float
    sequence: int  # FIFO among equal tags
    item: T = field(compare=False)


class FairQueue(Generic[T]):
    """Priority queue ordered by start tag."""

    def __init__(self) -> None:
        self._heap: list[_Entry[T]] = []
        self._finish_tags: dict[str, float] = {}  # per owner: start tag of its next item
        self._virtual_time = 0.0
        self._in_service_frames = 0  # cost of the item popped last; added to virtual time at the next pop
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def head(self) -> T:
        """The next item.

        :raises IndexError: if the queue is empty.
        """
        return self._heap[0].item

    def push(self, item: T) -> None:
        """Add an item after its owner's earlier ones."""
        start_tag = max(self._virtual_time, self._finish_tags.get(item.owner, 0.0))
        self._finish_tags[item.owner] = start_tag + item.frames
        self._sequence += 1
        heapq.heappush(self._heap, _Entry(start_tag, self._sequence, item))

    def pop(self) -> T:
        """Remove and return the next item.

        :raises IndexError: if the queue is empty.
        """
        item = heapq.heappop(self._heap).item
        owners = {item.owner, *(entry.item.owner for entry in self._heap)}
        self._virtual_time += self._in_service_frames / len(owners)
        self._in_service_frames = item.frames
        self._finish_tags = {owner: tag for owner, tag in self._finish_tags.items() if tag > self._virtual_time}
        self._reset_if_empty()
        return item

    def remove(self, ids: Container[Hashable]) -> None:
        """Drop the items with these identifiers."""
        self._heap = [entry for entry in self._heap if entry.item.id not in ids]
        heapq.heapify(self._heap)
        self._reset_if_empty()

    def _reset_if_empty(self) -> None:
        if not self._heap:
            self._finish_tags.clear()
            self._virtual_time, self._in_service_frames = 0.0, 0
