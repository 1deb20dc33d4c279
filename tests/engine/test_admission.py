from __future__ import annotations

import asyncio
import random

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
            try:
                await self.finish.wait()
            finally:
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


@pytest.mark.parametrize("capacity", [1, 4])  # one replica with one slot; two with two each
async def test_slots_survive_any_order_of_arrivals_ends_and_cancellations(capacity: int) -> None:
    rng = random.Random(capacity)
    admission = Admission(lambda: capacity, max_queue=100)
    requests: list[Request] = []
    for _ in range(1000):
        live = [request for request in requests if not request.task.done()]
        for _ in range(rng.randrange(5)):  # within one turn of the event loop
            if len(live) < 10:
                live.append(Request(admission))
                requests.append(live[-1])
            elif rng.random() < 0.5:
                rng.choice(live).finish.set()
            else:
                rng.choice(live).task.cancel()
        await asyncio.sleep(0)
        assert sum(request.admitted for request in requests) <= admission.active <= capacity
        assert not admission.waiting or admission.active == capacity, "a slot is free while requests wait"
    for request in requests:
        request.finish.set()
    async with asyncio.timeout(10):
        ends = await asyncio.gather(*(request.task for request in requests), return_exceptions=True)
    assert {type(end) for end in ends} == {type(None), asyncio.CancelledError}
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
