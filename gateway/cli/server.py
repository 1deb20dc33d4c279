"""Uvicorn server of ``voxgate serve``, with limits on request heads and graceful shutdown."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.cli.console import err
from gateway.cli.frames import LimitedFrames
from gateway.cli.http1 import Http1Protocol
from gateway.cli.running import announced
from gateway.settings import Settings

MAX_HEAD_BYTES = 64 * 2**10
LINGER_BYTES = 2**20  # read and dropped from a client that keeps sending after its request was refused
LINGER_S = 2.0
GC_THRESHOLD = 10_000  # new container objects that trigger a collection


class LimitedHeads(Http1Protocol):
    """HTTP protocol with limits on the size and time of a request's head: its request line and headers.

    The limits apply before API keys are checked, and to WebSockets, which begin as such requests. The deadline runs
    from the connection, or from the first byte after a response, until the head is complete. It also bounds the rest of
    a body whose request has been answered.

    :cvar head_s: time limit for a head.
    """

    head_s = 60.0

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0  # names and values that the parser has emitted; trailers count like headers
        self._buffered_bytes = 0  # received since the parser last emitted something; it buffers incomplete parts
        self._progress = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that the parser buffers beyond the limit."""
        if self._refused:
            self._buffered_bytes += len(data)
            if self._buffered_bytes > LINGER_BYTES:
                self.transport.close()
            return
        if self._is_idle():
            self._start_deadline()
        self._progress = False
        super().data_received(data)
        self._buffered_bytes = 0 if self._progress else self._buffered_bytes + len(data)
        if self._buffered_bytes > MAX_HEAD_BYTES and not (self._refused or self.transport.is_closing()):
            self._refuse()

    def on_message_begin(self) -> None:
        """Start counting a new head."""
        super().on_message_begin()
        self._head_bytes = 0
        self._progress = True
        self._start_deadline()

    def on_url(self, url: bytes) -> None:
        """Count a part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or a trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Cancel the deadline."""
        self._cancel_deadline()
        self._progress = True
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
        """Respond after a parser error: with 431 if :meth:`_count` raised it, otherwise as uvicorn does."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the request's head is too large")  # a parser error, so uvicorn calls send_400_response

    def _refuse(self) -> None:
        """Respond with 431 and close only the sending half.

        Closing a socket that still receives data sends a reset, which may discard the response at the client
        (RFC 9112, section 9.6).
        """
        if not self._is_idle():  # the response would be written into another one
            self.transport.close()
            return
        text = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes.".encode()
        own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        headers = [*self.server_state.default_headers, *own, (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[431], *lines, b"\r\n", text]))
        self.transport.write_eof()
        self._refused = True
        self._buffered_bytes = 0
        self._cancel_deadline()
        self._deadline = self.loop.call_later(LINGER_S, self._expire)

    def _is_idle(self) -> bool:
        """Whether the latest request has been answered."""
        return self.cycle is None or self.cycle.response_complete

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self._expire)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self._is_idle():
            self.transport.close()
        else:  # a pipelined request: nothing is read until the current response is complete
            self._start_deadline()


def exclude_imports_from_gc() -> None:
    """Exclude the objects that exist now (modules, classes, schemas) from garbage collection, and collect less often.

    They live as long as the process, and a full collection that visits them pauses the event loop for 0.1 s. Requests
    in flight hold thousands of objects, so the default threshold of 700 would start a collection every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


class Server(uvicorn.Server):
    """Uvicorn server that exits with status 0 after a signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM and SIGINT.

        Uvicorn's own version raises the signal again after the drain, so that a clean shutdown would look like a death
        by signal.
        """
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


class GatewayServer(Server):
    """Server that announces when engines are ready, and drains."""

    def __init__(self, app: FastAPI, settings: Settings):
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=type("Protocol", (LimitedHeads,), {"head_s": settings.limits.body_s}),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.limits.drain_s)),
            timeout_keep_alive=30,
            ws=LimitedFrames,
            ws_max_size=settings.live.message_bytes,
            ws_ping_timeout=settings.limits.stall_s,  # a client reads a ping only after the audio queued before it
            ws_per_message_deflate=False,  # compression blocks the event loop and hardly shrinks audio
        )
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._announcement: asyncio.Task[None] | None = None
        self._state_file = ExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, and announce when the engines are ready."""
        exclude_imports_from_gc()
        await super().startup(sockets)
        if self.started and not self.should_exit:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
            url = f"http://{host}:{port}"
            self._state_file.enter_context(announced(url, port))
            self._announcement = asyncio.create_task(self._announce(url))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let live sessions finish first, because uvicorn closes WebSockets at once.

        Both steps together take at most ``limits.drain_s``.
        """
        self._state_file.close()
        loop = asyncio.get_running_loop()
        drain_until = loop.time() + self._settings.limits.drain_s
        for server in self.servers:
            server.close()
        draining = asyncio.create_task(self._app.state.services.live.drain(self._settings.limits.drain_s))
        while not (draining.done() or self.force_exit):
            await asyncio.wait({draining}, timeout=0.1)
        draining.cancel()
        self.config.timeout_graceful_shutdown = max(1, round(drain_until - loop.time()))
        await super().shutdown(sockets)

    async def _announce(self, url: str) -> None:
        engines = self._app.state.services.engines
        err.print(f"listening on {url}, loading engines …")
        while not engines.ready:  # noqa: ASYNC110 - the state of other processes, which has no event to wait for
            await asyncio.sleep(0.05)
        err.print(
            f"ready: engine {self._settings.default_engine} at {url} (API at /docs). Try:\n"
            f"  curl -s {url}/tts -H 'content-type: application/json' "
            """-d '{"text":"Hello from Voxgate."}' -o hello.wav""",
            highlight=False,
            soft_wrap=True,
        )
