from __future__ import annotations

import asyncio

import pytest

from gateway.engine.admission import Admission
from gateway.errors import QueueFull


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Guest:
    """Holds a slot until told to leave."""

    def __init__(self, admission: Admission):
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(admission))

    async def _visit(self, admission: Admission) -> None:
        async with admission.slot():
            self.inside = True
            await self.leave.wait()
        self.inside = False


async def test_as_many_enter_as_there_is_capacity_and_the_rest_in_turn() -> None:
    admission = Admission(lambda: 2, max_queue=10)
    guests = [Guest(admission) for _ in range(4)]
    await settle()
    assert [guest.inside for guest in guests] == [True, True, False, False]
    assert (admission.active, admission.waiting) == (2, 2)
    guests[1].leave.set()
    await settle()
    assert [guest.inside for guest in guests] == [True, False, True, False]
    for guest in guests:
        guest.leave.set()
    await asyncio.gather(*(guest.task for guest in guests))
    assert (admission.active, admission.waiting) == (0, 0)


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    admission = Admission(lambda: 1, max_queue=1)
    guests = [Guest(admission), Guest(admission)]
    await settle()
    with pytest.raises(QueueFull) as caught:
        async with admission.slot():
            pass
    assert caught.value.retry_after_s is not None
    assert 1 <= caught.value.retry_after_s <= 120
    for guest in guests:
        guest.leave.set()
    await asyncio.gather(*(guest.task for guest in guests))


async def test_no_queue_at_all_is_possible() -> None:
    admission = Admission(lambda: 1, max_queue=0)
    async with admission.slot():
        with pytest.raises(QueueFull):
            async with admission.slot():
                pass
    async with admission.slot():
        pass


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_whoever_leaves_the_queue_early_frees_their_place(leaver: int) -> None:
    admission = Admission(lambda: 1, max_queue=10)
    guests = [Guest(admission) for _ in range(3)]
    await settle()
    guests[leaver].task.cancel()
    await settle()
    for guest in guests:
        guest.leave.set()
    await asyncio.gather(*(guest.task for guest in guests), return_exceptions=True)
    assert (admission.active, admission.waiting) == (0, 0)


async def test_one_let_in_and_cancelled_in_the_same_moment_loses_no_place() -> None:
    admission = Admission(lambda: 1, max_queue=10)
    first, second, third = (Guest(admission) for _ in range(3))
    await settle()
    first.leave.set()
    await asyncio.sleep(0)  # first leaves; second's turn is set but it has not run yet
    second.task.cancel()
    await settle()
    assert third.inside
    third.leave.set()
    await asyncio.gather(first.task, second.task, third.task, return_exceptions=True)
    assert admission.active == 0


async def test_capacity_that_grows_lets_the_queue_in() -> None:
    capacity = 1
    admission = Admission(lambda: capacity, max_queue=10)
    guests = [Guest(admission) for _ in range(4)]
    await settle()
    capacity = 3
    guests[0].leave.set()
    await settle()
    assert [guest.inside for guest in guests] == [False, True, True, True]
    for guest in guests:
        guest.leave.set()
    await asyncio.gather(*(guest.task for guest in guests))


async def test_the_expected_wait_follows_how_long_requests_take() -> None:
    admission = Admission(lambda: 1, max_queue=100)
    for _ in range(30):
        async with admission.slot():
            await asyncio.sleep(0.001)
    assert admission.expected_wait_s() == 1.0
    admission._mean_service_s = 8.0
    assert admission.expected_wait_s() == 8.0
