"""Work in threads that is never left to itself: whoever began it goes on only once it has ended.

A thread cannot be cancelled. What it works on must neither be closed nor used by others before it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What work in a thread comes to. A cancellation is raised when the thread is done."""
    working = begin(work)
    cancelled = await settled(working)
    if cancelled is not None:
        if not working.cancelled():
            working.exception()  # nobody asks for it any more
        raise cancelled
    return working.result()


def begin(work: Callable[[], T]) -> asyncio.Future[T]:
    """Begin work in a thread. Unlike a task, what is returned is not cancelled with all others as the loop ends."""
    return asyncio.get_running_loop().run_in_executor(None, work)


async def settled(working: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until a future is done, however often the caller is cancelled meanwhile.

    When it returns, nothing can come between the future's end and what the caller does next.

    :returns: the cancellation, which the caller has to raise.
    """
    cancelled = None
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
