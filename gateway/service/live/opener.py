"""Speeches that are opened a few segments ahead of the audio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import Overloaded, QueueFull
from gateway.service.speech import Speech
from gateway.text.segments import Segment


@dataclass(eq=False, slots=True)
class QueuedSegment:
    """A segment of the text.

    :ivar speech: its speech, or the error of opening it; None until it is opened.
    """

    segment: Segment
    speech: Speech | Exception | None = None


@dataclass(frozen=True, slots=True)
class FlushMarker:
    """A flush at a position of the text."""

    position: int


@dataclass(frozen=True, slots=True)
class EndMarker:
    """The end of the text, at a position."""

    position: int


Item = QueuedSegment | FlushMarker | EndMarker


class Opener:
    """Open the speeches of segments in order, each after the first audio of the previous one.

    :param open_speech: opens the speech of a segment and waits for its first audio.
    :param max_open: limit on speeches that are open, including the one that is played.
    :ivar unplayed: all items that have not been played; the first is the next or is being played.
    """

    def __init__(self, open_speech: Callable[[Segment], Awaitable[Speech]], max_open: int):
        self.unplayed: deque[Item] = deque()
        self._open_speech = open_speech
        self._permits = asyncio.Semaphore(max_open)
        self._waiting: asyncio.Queue[Item] = asyncio.Queue()
        self._opened: asyncio.Queue[Item] = asyncio.Queue()

    def put(self, *items: Segment | FlushMarker | EndMarker) -> None:
        """Append items of the text."""
        for item in (QueuedSegment(item) if isinstance(item, Segment) else item for item in items):
            self.unplayed.append(item)
            self._waiting.put_nowait(item)

    async def run(self) -> None:
        """Open speeches until the end of the text."""
        item: Item | None = None
        while not isinstance(item, EndMarker):
            item = await self._waiting.get()
            if isinstance(item, QueuedSegment):
                await self._permits.acquire()
                try:
                    item.speech = await self._open(item)
                except Exception as error:  # noqa: BLE001 - raised by the player, after the audio of earlier segments
                    item.speech = error
            self._opened.put_nowait(item)

    async def next(self) -> Item:
        """Wait for the next item; a segment is open or has failed. To be followed by :meth:`played`."""
        return await self._opened.get()

    async def played(self) -> None:
        """Close and remove the item of the last :meth:`next`."""
        item = self.unplayed[0]
        await _close(item)
        self.unplayed.popleft()
        self._opened.task_done()
        if isinstance(item, QueuedSegment):
            self._permits.release()

    async def aclose(self) -> None:
        """Close all speeches; the engine aborts their jobs at its next step. Not while another method runs."""
        while self.unplayed:
            await _close(self.unplayed[0])
            self.unplayed.popleft()

    async def _open(self, item: QueuedSegment) -> Speech:
        try:
            return await self._open_speech(item.segment)
        except (QueueFull, Overloaded):
            if self.unplayed[0] is item:
                raise
        # The session's own jobs may occupy the engine: try again when all earlier items have been played.
        await self._opened.join()
        return await self._open_speech(item.segment)


async def _close(item: Item) -> None:
    if isinstance(item, QueuedSegment) and isinstance(item.speech, Speech):
        await item.speech.aclose()
