"""Start-time fair queueing of requests that wait for an engine."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

from gateway.errors import QueueFull

Priority = Literal["interactive", "batch"]

_start_tag = attrgetter("start_tag")


@dataclass(eq=False, slots=True)
class Ticket:
    """A request's demand for one engine, and its state in the queue.

    :param seconds: predicted length of its audio.
    :param owner: the requests of one owner share its part of the engine: an API key's name.
    :param deadline_at: the request is refused if it cannot finish by then, on the event loop's clock.
    :ivar audio_s: length of its audio, set by the holder of the slot when the request has succeeded.
    :ivar start_tag: virtual start time.
    """

    seconds: float = 1.0
    owner: str = ""
    priority: Priority = "interactive"
    deadline_at: float = math.inf
    audio_s: float | None = None
    start_tag: float = 0.0
    started_at: float = 0.0
    filled_engine: bool = False  # whether it took the last free slot
    decision: asyncio.Future[QueueFull | None] = field(init=False)


class FairQueue:
    """Start-time fair queueing for a server with several slots (SFQ(D); Jin, Chase and Kaur, 2004).

    A ticket's start tag is the virtual time at which the earlier tickets of its owner would be served if all owners
    shared the engine equally. The lowest tag is served next; virtual time is the tag of the ticket served last.

    :ivar tickets: the waiting ones, in the order of their service.
    """

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []
        self._virtual_time = 0.0
        self._finish_tags: dict[str, float] = {}  # start tag of each owner's next ticket

    def tag(self, ticket: Ticket) -> int:
        """Set a new ticket's start tag; return the number of tickets that precede it."""
        ticket.start_tag = max(self._virtual_time, self._finish_tags.get(ticket.owner, 0.0))
        return bisect_right(self.tickets, ticket.start_tag, key=_start_tag)

    def push(self, ticket: Ticket) -> None:
        """Add a tagged ticket."""
        insort(self.tickets, ticket, key=_start_tag)
        self._finish_tags[ticket.owner] = ticket.start_tag + ticket.seconds

    def pop(self) -> Ticket:
        """Remove and return the next ticket."""
        ticket = self.tickets.pop(0)
        self._virtual_time = ticket.start_tag
        return ticket

    def forget(self) -> None:
        """Forget what owners have used, because the engine is idle."""
        self._finish_tags.clear()

    def remove(self, ticket: Ticket) -> None:
        """Drop a ticket; if it is its owner's last, the owner is not charged."""
        self.tickets.remove(ticket)
        if self._finish_tags[ticket.owner] == ticket.start_tag + ticket.seconds:
            self._finish_tags[ticket.owner] = ticket.start_tag
