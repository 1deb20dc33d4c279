"""Start-time fair queueing: order among jobs, no starvation, no leftovers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backends.common.fair_queue import FairQueue


@dataclass(frozen=True)
class Item:
    id: str
    owner: str
    frames: int


def pop_all(queue: FairQueue[Item]) -> list[str]:
    return [queue.pop().id for _ in range(len(queue))]


def test_jobs_alternate_by_requested_work() -> None:
    queue: FairQueue[Item] = FairQueue()
    for index in range(3):
        queue.push(Item(f"book{index}", "book", 100))
    assert queue.pop().id == "book0"
    queue.push(Item("word", "word", 10))
    queue.push(Item("verse0", "verse", 60))
    queue.push(Item("verse1", "verse", 60))
    assert queue.head.id == "word"
    assert pop_all(queue) == ["word", "verse0", "verse1", "book1", "book2"]


def test_stream_of_short_jobs_does_not_starve_a_long_one() -> None:
    queue: FairQueue[Item] = FairQueue()
    for index in range(3):
        queue.push(Item(f"book{index}", "book", 50))
    popped = []
    for index in range(12):
        queue.push(Item(f"word{index}", f"word{index}", 50))
        popped.append(queue.pop().id)
    assert [name for name in popped if name.startswith("book")] == ["book0", "book1", "book2"]


def test_removed_items_leave_no_state() -> None:
    queue: FairQueue[Item] = FairQueue()
    for owner in ("a", "b"):
        for index in range(3):
            queue.push(Item(f"{owner}{index}", owner, 10))
    queue.remove({"a0", "b1", "b2", "unknown"})
    assert pop_all(queue) == ["b0", "a1", "a2"]
    assert queue._finish_tags == {}


def test_empty_queue_has_no_head() -> None:
    queue: FairQueue[Item] = FairQueue()
    with pytest.raises(IndexError):
        _ = queue.head
    with pytest.raises(IndexError):
        queue.pop()
