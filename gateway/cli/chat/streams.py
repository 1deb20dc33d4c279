"""Event streams of boto3, which block, as asynchronous iterators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from typing import Any

from gateway.deploy.aws import Aws


async def opened(call: Callable[[], Any]) -> Any:
    """Open a stream in a thread. If that is cancelled, the stream is closed as soon as it is open."""
    opening = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        if not opening.exception():
            opening.result().close()
        raise


async def events(aws: Aws, stream: Any, call: str) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a stream, read in a thread, and close it.

    :param call: ``service:Operation``, for errors.
    :raises AwsError: if the stream breaks off.
    """
    iterator = iter(stream)
    with closing(stream):
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(next, iterator, None))
            try:
                event = await asyncio.shield(reading)
            except aws.errors as error:
                raise aws.translated(error, call) from None
            finally:  # a thread cannot be cancelled: the stream is closed after its event
                await asyncio.wait([reading])
                retrieve_error(reading)
            if event is None:
                return
            yield event


def retrieve_error(task: asyncio.Future[Any]) -> None:
    """Retrieve the exception of an ended task that is not needed, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
