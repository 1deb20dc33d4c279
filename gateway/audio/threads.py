"""Work in threads with structured concurrency: a caller continues, or is cancelled, only after the thread has ended.

A thread cannot be cancelled, and the objects it uses must not be closed or used elsewhere until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run work in a thread and return its result. A cancellation is raised after the thread has ended."""
    future = start_in_thread(work)
    cancelled = await wait_until_done(future)
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # retrieved so that asyncio does not log it
        raise cancelled
    return future.result()


def start_in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Start work in a thread. Unlike a task, the future is not cancelled when the event loop shuts down."""
    return asyncio.get_running_loop().run_in_executor(None, work)


async def wait_until_done(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until a future is done, even if the caller is cancelled meanwhile.

    It returns without suspending once the future is done, so no cancellation comes before the caller's next statement.

    :returns: the cancellation, which the caller must raise.
    """
    cancelled = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
