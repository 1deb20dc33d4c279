"""WebSocket protocol of the server, with a limit on control frames and small fragments."""

from __future__ import annotations

from collections import deque
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CTRL_OPCODES, Frame

SLICE_BYTES = 4096  # parsed at once: at most 682 frames, about 6 ms
SMALL_BYTES = 512  # a fragment of a large message has more
BURST = 100
FRAMES_PER_S = 20.0
_POLICY_VIOLATION = 1008


class LimitedFrames(WebSocketsSansIOProtocol):
    """Close sockets that send many control frames or small fragments, and parse no further than the application reads.

    A frame takes 9 µs of the event loop, however small it is, and an empty one has six bytes. Clients need few pings,
    pongs and small fragments, so more than ``BURST`` of them, and then ``FRAMES_PER_S``, close the socket with 1008.
    Whole messages are not limited: received data after a message is parsed once the application has taken the message.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._unparsed: deque[bytes] = deque()
        self._allowed = float(BURST)
        self._counted_at = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse up to the first message."""
        self._unparsed += [data[start : start + SLICE_BYTES] for start in range(0, len(data), SLICE_BYTES)]
        self._parse()
        if self._unparsed and not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def handle_events(self) -> None:
        """Count frames, and close the socket if there are too many."""
        frames = sum(_is_counted(event) for event in self.conn.events)
        if frames and not self.close_sent:
            now = self.loop.time()
            self._allowed = min(BURST, self._allowed + (now - self._counted_at) * FRAMES_PER_S) - frames
            self._counted_at = now
            if self._allowed < 0:
                self.conn.fail(_POLICY_VIOLATION, "too many control frames or small fragments")
                self.handle_parser_exception()
                return
        super().handle_events()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next event, and parse further data if it was the last one."""
        message = await super().receive()
        self._parse()
        return message

    def _parse(self) -> None:
        # After a close frame has been sent, the application takes no messages, and the client's close frame is awaited.
        while self._unparsed and (self.queue.empty() or self.close_sent) and not self.transport.is_closing():
            super().data_received(self._unparsed.popleft())


def _is_counted(event: object) -> bool:
    return isinstance(event, Frame) and (
        event.opcode in CTRL_OPCODES or (not event.fin and len(event.data) < SMALL_BYTES)
    )
