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
    """A flush at a position of the text; the last one ends the text."""

    position: int
    ends_text: bool = False


Item = QueuedSegment | FlushMarker


class Opener:
    """Open the speeches of segments in order, each after the first audio of the previous one.

    :param open_text: opens the speech of a text at a position and waits for its first audio.
    :param max_open: limit on speeches that are open, including the one that is played.
    :ivar unplayed: all items that have not been played; the first is the next or is being played.
    """

    def __init__(self, open_text: Callable[[str, int], Awaitable[Speech]], max_open: int):
        self.unplayed: deque[Item] = deque()
        self._open_text = open_text
        self._permits = asyncio.Semaphore(max_open)
        self._waiting: asyncio.Queue[Item] = asyncio.Queue()
        self._opened: asyncio.Queue[Item] = asyncio.Queue()

    def put(self, *items: Segment | FlushMarker) -> None:
        """Append items of the text."""
        for item in (QueuedSegment(item) if isinstance(item, Segment) else item for item in items):
            self.unplayed.append(item)
            self._waiting.put_nowait(item)

    async def run(self) -> None:
        """Open speeches until cancelled."""
        while True:
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

    def played(self) -> None:
        """Remove the item of the last :meth:`next`, so that another speech may be opened."""
        self._opened.task_done()
        if isinstance(self.unplayed.popleft(), QueuedSegment):
            self._permits.release()

    async def aclose(self) -> None:
        """Close all speeches; the engine aborts their jobs at its next step. Call it after the end of :meth:`run`."""
        while self.unplayed:
            match self.unplayed[0]:
                case QueuedSegment(_, Speech() as speech):
                    await speech.aclose()
            self.unplayed.popleft()

    async def _open(self, item: QueuedSegment) -> Speech:
        text = item.segment.text.lstrip()
        text, start = text.rstrip(), item.segment.end - len(text)
        try:
            return await self._open_text(text, start)
        except (QueueFull, Overloaded):
            if self.unplayed[0] is item:
                raise
        # The session's own jobs may occupy the engine: try again when all earlier items have been played.
        await self._opened.join()
        return await self._open_text(text, start)
