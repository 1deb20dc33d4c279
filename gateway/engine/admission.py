"""Who may enter an engine, and who waits: a bounded first-in-first-out queue in front of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.errors import QueueFull

_SMOOTHING = 0.2  # weight of the newest job in the mean service time
_MAX_RETRY_AFTER_S = 120.0


class Admission:
    """Lets ``capacity()`` requests in at once and ``max_queue`` wait.

    :param capacity: read at every decision, because it changes when an engine loads.
    """

    def __init__(self, capacity: Callable[[], int], max_queue: int):
        self._capacity = capacity
        self._max_queue = max_queue
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._mean_service_s = 1.0

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Requests that were let in and have not left."""
        return self._active

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one place; waits for it in turn.

        :raises QueueFull: when too many wait already, with the time in which a place should be free.
        """
        loop = asyncio.get_running_loop()
        if self._active < self._capacity() and not self._waiting:
            self._active += 1
        else:
            await self._wait_in_turn(loop)
        entered_at = loop.time()
        try:
            yield
        finally:
            self._mean_service_s += _SMOOTHING * (loop.time() - entered_at - self._mean_service_s)
            self._active -= 1
            self._let_in()

    async def _wait_in_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._waiting) >= self._max_queue:
            raise QueueFull(
                f"{len(self._waiting)} requests wait for this engine already, which is the limit",
                retry_after_s=self.expected_wait_s(),
            )
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled in the same moment
                self._active -= 1
            else:
                self._waiting.remove(turn)
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting and self._active < self._capacity():
            turn = self._waiting.popleft()
            if not turn.done():
                self._active += 1
                turn.set_result(None)

    def expected_wait_s(self) -> float:
        """When a newcomer could be let in, from how long recent requests took."""
        rounds = (len(self._waiting) + 1) / max(1, self._capacity())
        return min(_MAX_RETRY_AFTER_S, max(1.0, rounds * self._mean_service_s))
