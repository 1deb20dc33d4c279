from __future__ import annotations

import asyncio

import pytest

from gateway.engine.admission import Admission
from gateway.errors import QueueFull


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Request:
    """A request that holds a slot until ``finish`` is set."""

    def __init__(self, admission: Admission):
        self.admitted = False
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self._run(admission))

    async def _run(self, admission: Admission) -> None:
        async with admission.slot():
            self.admitted = True
            await self.finish.wait()
        self.admitted = False


async def test_requests_above_capacity_wait_in_fifo_order() -> None:
    admission = Admission(lambda: 2, max_queue=10)
    requests = [Request(admission) for _ in range(4)]
    await settle()
    assert [request.admitted for request in requests] == [True, True, False, False]
    assert (admission.active, admission.waiting) == (2, 2)
    requests[1].finish.set()
    await settle()
    assert [request.admitted for request in requests] == [True, False, True, False]
    for request in requests:
        request.finish.set()
    await asyncio.gather(*(request.task for request in requests))
    assert (admission.active, admission.waiting) == (0, 0)


async def test_full_queue_raises_with_the_expected_wait() -> None:
    admission = Admission(lambda: 1, max_queue=1)
    requests = [Request(admission), Request(admission)]
    await settle()
    with pytest.raises(QueueFull, match=r"the queue is full \(1 requests\)") as caught:
        async with admission.slot():
            pass
    assert caught.value.retry_after_s is not None
    assert 1 <= caught.value.retry_after_s <= 120
    for request in requests:
        request.finish.set()
    await asyncio.gather(*(request.task for request in requests))


async def test_queue_of_length_zero_refuses_every_waiter() -> None:
    admission = Admission(lambda: 1, max_queue=0)
    async with admission.slot():
        with pytest.raises(QueueFull):
            async with admission.slot():
                pass
    async with admission.slot():
        pass


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_cancelled_request_releases_its_slot_or_place_in_the_queue(cancelled: int) -> None:
    admission = Admission(lambda: 1, max_queue=10)
    requests = [Request(admission) for _ in range(3)]
    await settle()
    requests[cancelled].task.cancel()
    await settle()
    for request in requests:
        request.finish.set()
    await asyncio.gather(*(request.task for request in requests), return_exceptions=True)
    assert (admission.active, admission.waiting) == (0, 0)


async def test_waiter_cancelled_right_after_its_grant_releases_its_slot() -> None:
    admission = Admission(lambda: 1, max_queue=10)
    first, second, third = (Request(admission) for _ in range(3))
    await settle()
    first.finish.set()
    await asyncio.sleep(0)  # first releases its slot; second is granted it but has not run yet
    second.task.cancel()
    await settle()
    assert third.admitted
    third.finish.set()
    await asyncio.gather(first.task, second.task, third.task, return_exceptions=True)
    assert admission.active == 0


async def test_waiter_cancelled_right_before_its_grant_is_dropped_once() -> None:
    admission = Admission(lambda: 1, max_queue=10)
    first, second, third = (Request(admission) for _ in range(3))
    await settle()
    first.finish.set()
    second.task.cancel()  # runs after first, whose release already drops the cancelled waiter from the queue
    await settle()
    assert third.admitted
    third.finish.set()
    await asyncio.gather(first.task, third.task)
    with pytest.raises(asyncio.CancelledError):
        await second.task
    assert (admission.active, admission.waiting) == (0, 0)


async def test_growing_capacity_admits_several_waiters() -> None:
    capacity = 1
    admission = Admission(lambda: capacity, max_queue=10)
    requests = [Request(admission) for _ in range(4)]
    await settle()
    capacity = 3
    requests[0].finish.set()
    await settle()
    assert [request.admitted for request in requests] == [False, True, True, True]
    for request in requests:
        request.finish.set()
    await asyncio.gather(*(request.task for request in requests))


async def test_expected_wait_follows_recent_service_times() -> None:
    admission = Admission(lambda: 1, max_queue=100)
    for _ in range(30):
        async with admission.slot():
            await asyncio.sleep(0.001)
    assert admission.expected_wait_s() == 1.0
    admission._service_time_s = 8.0
    assert admission.expected_wait_s() == 8.0
