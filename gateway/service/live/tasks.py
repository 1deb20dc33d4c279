"""How the tasks of a live session end."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 1.0


async def end_tasks(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait for their ends; what those failed with that ended in the same moment is nobody's business
    any more.

    One that goes on in spite of that, because something in it took the cancellation for its own, is cancelled again. So
    are all when the caller is; that is raised once they have ended.
    """
    cancelled = None
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_AGAIN_S)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()
    if cancelled is not None:
        raise cancelled
