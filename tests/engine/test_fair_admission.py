from __future__ import annotations

import asyncio

import pytest

from gateway.engine.admission import BATCH_TURN_S, Admission
from gateway.engine.fair_queue import Ticket
from gateway.errors import DeadlineExceeded, QueueFull


class Engine:
    """An admission queue on a clock of its own, and the log of who was served.

    :param rate: seconds of audio that a slot makes in a second.
    """

    def __init__(self, slots: int = 1, max_queue: int = 100, max_wait_s: float = 1e9, rate: float = 1.0):
        self.now = 1000.0
        self.rate = rate
        self.served: list[str] = []
        self.admission = Admission(lambda: slots, max_queue, max_wait_s, clock=lambda: self.now)
        self._ends: dict[asyncio.Event, float] = {}

    async def ask(self, name: str, seconds: float = 1.0, **fields: object) -> asyncio.Task[None]:
        """Let a request arrive; return its task. The owner is the name's first letter."""
        ticket = Ticket(seconds, name[0], **fields)  # type: ignore[arg-type]
        task = asyncio.create_task(self._speak(name, ticket))
        await settle()
        return task

    async def _speak(self, name: str, ticket: Ticket) -> None:
        async with self.admission.slot(ticket):
            self.served.append(name)
            end = asyncio.Event()
            self._ends[end] = self.now + ticket.seconds / self.rate
            await end.wait()
            ticket.audio_s = ticket.seconds

    async def next(self) -> None:
        """Advance the clock to the end of the request that ends first."""
        end = min(self._ends, key=self._ends.__getitem__)
        self.now = self._ends.pop(end)
        end.set()
        await settle()

    async def finish(self) -> list[str]:
        """Serve everything that waits; return the order of service."""
        while self._ends:
            await self.next()
        return self.served

    async def learn(self) -> None:
        """Serve one request, from which the rate is learnt."""
        await self.ask("z")
        await self.next()
        self.served.clear()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_flood_of_one_owner_delays_another_by_one_request() -> None:
    engine = Engine()
    flood = [await engine.ask(f"a{number}", 10) for number in range(20)]
    await engine.ask("b")
    assert (await engine.finish())[:3] == ["a0", "b", "a1"]
    await asyncio.gather(*flood)


async def test_owners_share_seconds_of_audio_rather_than_requests() -> None:
    engine = Engine()
    for number in range(4):
        await engine.ask(f"a{number}", 10)
    for number in range(30):
        await engine.ask(f"b{number}", 1)
    third_a = (await engine.finish()).index("a2")
    assert [name[0] for name in engine.served[:third_a]].count("b") == pytest.approx(20, abs=10)
    assert engine.served.index("a1") == pytest.approx(11, abs=1), "after 10 s of b"


async def test_requests_of_one_owner_keep_their_order() -> None:
    engine = Engine(slots=2)
    for number, seconds in enumerate((5, 1, 9, 2, 1, 7)):
        await engine.ask(f"a{number}", seconds)
    assert await engine.finish() == ["a0", "a1", "a2", "a3", "a4", "a5"]


async def test_earlier_use_of_an_idle_engine_is_not_held_against_an_owner() -> None:
    engine = Engine()
    for number in range(10):
        await engine.ask(f"a{number}", 100)
        await engine.next()
    await engine.ask("c")
    await engine.ask("b1")
    await engine.ask("a10")
    await engine.ask("b2")
    served = (await engine.finish())[-3:]
    assert served.index("a10") < served.index("b2")


async def test_cancelled_waiter_is_not_charged() -> None:
    engine = Engine()
    await engine.ask("c")
    (await engine.ask("a1", 100)).cancel()
    await settle()
    await engine.ask("b1")
    await engine.ask("a2")
    await engine.ask("b2")
    assert await engine.finish() == ["c", "b1", "a2", "b2"]


async def test_full_queue_gives_the_place_of_the_last_to_a_request_that_precedes_it() -> None:
    engine = Engine(max_queue=2)
    await engine.learn()
    tasks = [await engine.ask(f"a{number}", 10) for number in range(3)]
    with pytest.raises(QueueFull, match="the queue is full") as caught:
        await (await engine.ask("a3"))
    assert caught.value.retry_after_s == 10.0, "the running request ends then"
    await engine.ask("b")
    with pytest.raises(QueueFull):
        await tasks[2]
    assert await engine.finish() == ["a0", "b", "a1"]


async def test_batch_waits_for_interactive_requests_but_not_the_reverse() -> None:
    engine = Engine()
    await engine.ask("x1", priority="batch")
    await engine.ask("x2", priority="batch")
    await engine.ask("x3", priority="batch")
    await engine.ask("a1")
    await engine.ask("a2")
    assert await engine.finish() == ["x1", "a1", "a2", "x2", "x3"]


async def test_full_queue_refuses_batch_for_an_interactive_request() -> None:
    engine = Engine(max_queue=1)
    await engine.ask("a1")
    batch = await engine.ask("x", priority="batch")
    await engine.ask("a2")
    with pytest.raises(QueueFull):
        await batch
    with pytest.raises(QueueFull):
        await (await engine.ask("x", priority="batch"))
    assert await engine.finish() == ["a1", "a2"]


async def test_one_batch_request_is_admitted_in_each_turn_while_interactive_ones_wait() -> None:
    engine = Engine()
    for number in range(40):
        await engine.ask(f"a{number}", 5)
    for number in range(3):
        await engine.ask(f"x{number}", 5, priority="batch")
    served = await engine.finish()
    turns = [5 * index for index, name in enumerate(served) if name[0] == "x"]
    assert turns == [BATCH_TURN_S, 2 * BATCH_TURN_S, 3 * BATCH_TURN_S]


async def test_wait_beyond_the_limit_is_refused_with_the_time_until_it_is_shorter() -> None:
    engine = Engine(slots=2, max_wait_s=30, rate=2.0)
    await engine.learn()
    for number in range(4):
        await engine.ask(f"a{number}", 40)  # 20 s each, two at a time
    with pytest.raises(QueueFull, match=r"wait is 40 s: the limit is 30 s \(max_queue_s\)") as caught:
        await (await engine.ask("a4"))
    assert caught.value.retry_after_s == 10.0
    batch = await engine.ask("x", priority="batch")
    assert not batch.done(), "the limit is for interactive requests"
    engine.now += 10
    accepted = await engine.ask("a5")
    assert not accepted.done()
    assert engine.admission.predicted_wait_s() == pytest.approx(30.0)
    await engine.finish()


@pytest.mark.parametrize("slots", [1, 3, 8])
async def test_predicted_wait_is_the_wait_when_the_lengths_are_right(slots: int) -> None:
    engine = Engine(slots=slots, rate=4.0)
    await engine.learn()
    for number in range(20):
        await engine.ask(f"a{number}", 1 + 7 * number % 11)
    expected_at = engine.now + engine.admission.predicted_wait_s()
    last = await engine.ask("a20")
    while "a20" not in engine.served:
        await engine.next()
    assert engine.now == pytest.approx(expected_at)
    await engine.finish()
    await last


async def test_speed_of_a_full_engine_predicts_the_wait() -> None:
    engine = Engine(slots=2, rate=10.0)
    await engine.learn()
    engine.rate = 2.0  # of each, when two share it
    for number in range(20):
        await engine.ask(f"a{number}", 20)
    for _ in range(4):
        await engine.next()
    engine.now += 1.0
    assert engine.admission.predicted_wait_s() == pytest.approx(79.0), "two run for 9 s more, 14 wait"
    await engine.finish()


async def test_request_that_waits_past_its_deadline_is_refused_at_once() -> None:
    engine = Engine()
    await engine.learn()
    await engine.ask("a1", 100)
    with pytest.raises(
        QueueFull, match="the predicted wait is 100 s, too long to finish before the deadline in 60 s"
    ) as e:
        await (await engine.ask("a2", 20, deadline_at=engine.now + 60))
    assert e.value.retry_after_s == 50.0, "then even 10 s of audio, half of the prediction, fit in"
    in_time = await engine.ask("a3", 20, deadline_at=engine.now + 120)
    assert not in_time.done()
    await engine.finish()


async def test_audio_that_takes_longer_than_the_deadline_is_refused_without_a_retry() -> None:
    engine = Engine(rate=0.5)
    await engine.learn()
    with pytest.raises(DeadlineExceeded, match="some 100 s of audio take this engine some 200 s, and 60 s are") as e:
        await (await engine.ask("a", 100, deadline_at=engine.now + 60))
    assert e.value.retry_after_s is None
    assert e.value.param == "text"
    accepted = await engine.ask("a", 100, deadline_at=engine.now + 110)
    assert not accepted.done(), "the prediction may be too long by half"
    await engine.finish()


async def test_nothing_is_refused_by_time_before_a_request_has_finished() -> None:
    engine = Engine(max_wait_s=0)
    await engine.ask("a", 1000)
    waiting = await engine.ask("a", 1000, deadline_at=engine.now + 0.001)
    assert not waiting.done()
    await engine.finish()
