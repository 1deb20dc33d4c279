"""Cancellation of asyncio tasks."""

from __future__ import annotations

import asyncio
from typing import Any

_RETRY_S = 1.0


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until all have ended; discard their exceptions.

    A task that swallows the cancellation is canceled again. If the caller is canceled meanwhile, that is raised after
    all tasks have ended.
    """
    cancelled = None
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_RETRY_S)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # retrieved so that asyncio does not log it
    if cancelled is not None:
        raise cancelled
