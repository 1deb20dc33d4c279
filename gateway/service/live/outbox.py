"""Unsent events of a live session."""

from __future__ import annotations

import asyncio

from gateway.service.live.events import EncodedAudio, LiveEvent

MAX_UNSENT_EVENTS = 4


class Outbox:
    """A queue of events, followed by the error that ends the session or by None, its regular end.

    It is bounded for audio: a slow reader delays its own session only.
    """

    def __init__(self) -> None:
        self._items: asyncio.Queue[LiveEvent | Exception | None] = asyncio.Queue()
        self._has_room = asyncio.Event()

    def __len__(self) -> int:
        return self._items.qsize()

    async def put(self, event: LiveEvent) -> None:
        """Append an event, once there is room."""
        while len(self) >= MAX_UNSENT_EVENTS:
            self._has_room.clear()
            await self._has_room.wait()
        self._items.put_nowait(event)

    def put_now(self, *items: LiveEvent | Exception | None) -> None:
        """Append items at once, beyond the limit if need be."""
        for item in items:
            self._items.put_nowait(item)

    async def get(self) -> LiveEvent | Exception | None:
        """Wait for the next item and remove it."""
        item = await self._items.get()
        self._has_room.set()
        return item

    def drop(self) -> None:
        """Drop all items, except errors and the encoder's header and trailer, which keep the file valid.

        A waiting :meth:`put` is not woken: its task is to be cancelled.
        """
        for _ in range(len(self)):
            item = self._items.get_nowait()
            if isinstance(item, Exception) or (isinstance(item, EncodedAudio) and not item.samples):
                self._items.put_nowait(item)
