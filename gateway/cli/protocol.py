"""HTTP and WebSocket protocols of the server, with limits on request heads, connections and unread output."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.cli.frames import LimitedFrames
from gateway.cli.http1 import Http1Protocol
from gateway.errors import ClientStalled
from gateway.settings import Limits

MAX_HEAD_BYTES = 64 * 2**10
PIECE_BYTES = 64 * 2**10  # of a body, which is written once the kernel has accepted the piece before
LINGER_BYTES = 2**20  # read and dropped from a client that keeps sending after its request was refused
LINGER_S = 2.0
_RESET = struct.pack("ii", 1, 0)  # close at once, with a reset


class StallGuard(asyncio.Protocol):
    """Mixin of uvicorn's protocols: abort a connection whose client reads nothing for ``limits.stall_s``.

    The transport reports its first byte that the kernel does not accept (``pause_writing``), and the last one that it
    does (``resume_writing``).

    :cvar limits: a subclass sets others than the defaults, because uvicorn makes the instances.
    :ivar stalled: whether the connection has been aborted.
    """

    limits = Limits()
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    stalled = False
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Ask for reports."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """Start the timer."""
        super().pause_writing()
        self._await_progress()

    def resume_writing(self) -> None:
        """Cancel the timer."""
        super().resume_writing()
        self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _await_progress(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(self.limits.stall_s, self._check_progress, unread)

    def _check_progress(self, unread_before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread and (unread < unread_before or not self._may_abort()):
            self._await_progress()
        elif unread:
            self.stalled = True
            # Else the kernel would keep what it has accepted, megabytes, and wait for the client.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def _may_abort(self) -> bool:
        return True

    def _stop_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()


class WebSocketProtocol(StallGuard, LimitedFrames):
    """WebSocket protocol that aborts a connection which cannot close because its client does not read.

    An open one is left to its session, which notices the same and closes it.
    """

    def _may_abort(self) -> bool:
        return self.transport.is_closing()


class HttpProtocol(StallGuard, Http1Protocol):
    """HTTP protocol with limits on connections, on the size and time of a request's head, and on unread output.

    The limits apply before API keys are checked, and to WebSockets, which begin as such requests. A head is the request
    line and the headers. Its deadline, ``limits.body_s``, runs from the connection, or from the first byte after a
    response, until it is complete. It also bounds the rest of a body whose request has been answered.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._begun = False  # whether a head has begun in the latest data and is incomplete
        self._progress = False  # whether the parser has emitted a whole head or a part of a body from them
        self._buffered_bytes = 0  # received since the parser emitted something
        self._ahead_bytes = 0  # received while an earlier request is in progress
        self._refusal: tuple[int, str] | None = None
        self._in_progress: RequestResponseCycle | None = None
        self.idle_since = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head; close another connection, or this one, if there are too many."""
        super().connection_made(transport)
        self._start_deadline()
        self._make_room(self.connections, self.limits.connections)
        if len(self.connections) > self.limits.connections_per_address and self.client is not None:
            address = self.client[0]
            peers = [other for other in self.connections if (getattr(other, "client", None) or [""])[0] == address]
            self._make_room(peers, self.limits.connections_per_address)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end to the request in progress; uvicorn reports it to the latest one."""
        self._cancel_deadline()
        super().connection_lost(exc)
        if self._in_progress is not None and not self._in_progress.response_complete:
            self._in_progress.disconnected = True
            self._in_progress.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that the parser buffers beyond the limit."""
        if self._refusal is not None:
            self._buffered_bytes += len(data)
            if self._buffered_bytes > LINGER_BYTES:
                self.transport.close()
            return
        if self.is_idle():
            self._start_deadline()
        self._begun = self._progress = False
        super().data_received(data)
        if self._begun:
            self._buffered_bytes = self._head_bytes()
        else:
            self._buffered_bytes = 0 if self._progress else self._buffered_bytes + len(data)
        if self._buffered_bytes > MAX_HEAD_BYTES and self._refusal is None and not self.transport.is_closing():
            self._refuse(431, _TOO_LARGE)
        # While nothing is read, the end of the connection goes unnoticed. Uvicorn stops at the first further request.
        self._ahead_bytes = self._ahead_bytes + len(data) if self.pipeline else 0
        if 0 < self._ahead_bytes <= MAX_HEAD_BYTES:
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """Start the deadline of a head."""
        super().on_message_begin()
        self._begun = True
        self._start_deadline()

    def on_headers_complete(self) -> None:
        """Check the head, and cancel its deadline.

        :raises ValueError: an error of the parser, after which uvicorn calls :meth:`send_400_response`.
        """
        if (problem := self._problem()) is not None:
            self._refuse(*problem)
            raise ValueError(problem[1])
        self._cancel_deadline()
        self._begun, self._progress = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Record progress; the application bounds the body."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Record progress."""
        self._progress = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Respond after a parser error."""
        if self._refusal is None:
            self._refuse(400, msg)

    def is_idle(self) -> bool:
        """Whether the latest request has been answered."""
        return self.cycle is None or self.cycle.response_complete

    def on_response_complete(self) -> None:
        """Start the next request, if it is there already."""
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def _head_bytes(self) -> int:
        """Size of what the parser has emitted of a head, with separators and line ends."""
        request_line = len("GET  HTTP/1.1\r\n\r\n") + len(self.url)
        return request_line + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _problem(self) -> tuple[int, str] | None:
        """Status and message for a head that is refused."""
        if self._head_bytes() > MAX_HEAD_BYTES:
            return 431, _TOO_LARGE
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            return 400, f"The request has {hosts} Host headers: send exactly one."
        if self.parser.should_upgrade() and self._should_upgrade() and not self.is_idle():
            return 400, "A WebSocket cannot be opened before the request ahead of it is answered."
        return None

    def _refuse(self, status: int, text: str) -> None:
        """Respond, and close only the sending half.

        Closing a socket that still receives data sends a reset, which may discard the response at the client
        (RFC 9112, section 9.6).
        """
        self._refusal = status, text
        if not self.is_idle():  # the response would be written into another one
            self.transport.close()
            return
        own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        headers = [*self.server_state.default_headers, *own, (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", text.encode()]))
        self.transport.write_eof()
        self._buffered_bytes = 0
        self._cancel_deadline()
        self._deadline = self.loop.call_later(LINGER_S, self._expire)

    def _make_room(self, connections: Collection[Any], limit: int) -> None:
        """Close the connection that has been idle for the longest time, or this one, if there are too many."""
        if len(connections) > limit:
            others = (other for other in connections if isinstance(other, HttpProtocol) and other is not self)
            idle = [other for other in others if other.is_idle() and not other.transport.is_closing()]
            min(idle, key=lambda other: other.idle_since, default=self).transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._in_progress = cycle
        super()._start_asgi_task(cycle, partial(self._paced, app))

    async def _paced(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its ``send`` returns when the kernel has accepted the whole message.

        :raises ClientStalled: from ``send``, after the connection has been aborted.
        """

        async def send_in_pieces(message: Message) -> None:
            body = message.get("body", b"")
            for start in range(0, max(1, len(body)), PIECE_BYTES):
                if len(body) > PIECE_BYTES:
                    end = start + PIECE_BYTES
                    more_body = message.get("more_body", False) or end < len(body)
                    await send({"type": message["type"], "body": body[start:end], "more_body": more_body})
                else:
                    await send(message)
                if body and self.flow.write_paused:
                    await self.flow.drain()
                if self.stalled:
                    raise ClientStalled(f"the client did not read for {self.limits.stall_s:g} s")

        with suppress(ClientStalled):
            await app(scope, receive, send_in_pieces)

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.body_s, self._expire)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self.is_idle():
            self.transport.close()
        else:  # a pipelined request
            self._start_deadline()


_TOO_LARGE = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes."
