"""Uvicorn, as ``voxgate serve`` runs it."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.cli.console import err
from gateway.settings import Settings

MAX_HEAD_BYTES = 64 * 2**10
LINGER_BYTES = 2**20  # what is still read, unseen, from a client that sends on while it is being refused
LINGER_S = 2.0
GC_THRESHOLD = 10_000  # new container objects that start a collection


class BoundedHeads(HttpToolsProtocol):
    """HTTP whose heads (request line and headers) have a limit in bytes and in time, before anybody looks at a key.
    WebSockets begin as such requests, and so have the same limits.

    A deadline runs from the connection, or the first byte after an answer, until a head is complete. Where the body
    of a request that has been answered goes on, it cannot for longer than that either.

    :cvar head_s: how long a head may take.
    """

    head_s = 60.0

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0  # names and values that the parser has handed over; trailers count like headers
        self._held_bytes = 0  # received in a row without anything complete: the parser keeps what is not
        self._progress = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head may take its time from now on."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and look at what came of it."""
        if self._refused:
            self._held_bytes += len(data)
            if self._held_bytes > LINGER_BYTES:
                self.transport.close()
            return
        if self._is_idle():
            self._begin()
        self._progress = False
        super().data_received(data)
        self._held_bytes = 0 if self._progress else self._held_bytes + len(data)
        if self._held_bytes > MAX_HEAD_BYTES and not (self._refused or self.transport.is_closing()):
            self._refuse()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._progress = True
        self._begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head has come in time."""
        self._end()
        self._progress = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body, which the application bounds."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._progress = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers when the parser gives up; here it may have been told to."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the request's head is too large")  # ends the parser, which ends in send_400_response

    def _refuse(self) -> None:
        """Answer, and close the sending half only: a socket that is closed while bytes for it are under way answers
        them with a reset, which takes the answer from the client (RFC 9112, section 9.6).
        """
        if not self._is_idle():  # an answer would end up in the middle of another
            self.transport.close()
            return
        text = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes.".encode()
        own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        headers = [*self.server_state.default_headers, *own, (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[431], *lines, b"\r\n", text]))
        self.transport.write_eof()
        self._refused = True
        self._held_bytes = 0
        self._end()
        self._deadline = self.loop.call_later(LINGER_S, self._expire)

    def _is_idle(self) -> bool:
        """Whether no request is under way: the latest one has its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _begin(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self._expire)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self._is_idle():
            self.transport.close()
        else:  # sent ahead, while an answer is under way: nothing is read meanwhile
            self._begin()


def spare_imports_from_gc() -> None:
    """Exclude the objects that exist now (modules, classes, schemas) from garbage collection, and collect less often.

    They live as long as the process, and a full collection that visits them pauses the event loop for 0.1 s. Requests
    in flight hold thousands of objects, so the default threshold of 700 would start a collection every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


class GatewayServer(uvicorn.Server):
    """Says when the engines are ready, with a request to try; ends with status 0 after a drain."""

    def __init__(self, app: FastAPI, settings: Settings):
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=type("Protocol", (BoundedHeads,), {"head_s": settings.limits.body_s}),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.limits.drain_s)),
            timeout_keep_alive=30,
            ws_max_size=settings.live.message_bytes,
            ws_ping_timeout=settings.limits.stall_s,  # answers to pings queue up behind audio that is not read yet
            ws_per_message_deflate=False,  # costs the event loop more than it saves: audio hardly gets smaller
        )
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._announcement: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM and SIGINT. Uvicorn's own version raises the signal again after the drain, which would
        make a shutdown that went well look like a death by signal.
        """
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then watch the engines load."""
        spare_imports_from_gc()
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._announcement = asyncio.create_task(self._announce())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let live sessions finish first: uvicorn cuts WebSockets off at once. The drain as a whole takes no longer."""
        loop = asyncio.get_running_loop()
        drained_by = loop.time() + self._settings.limits.drain_s
        for server in self.servers:
            server.close()
        draining = asyncio.create_task(self._app.state.services.live.drain(self._settings.limits.drain_s))
        while not (draining.done() or self.force_exit):
            await asyncio.wait({draining}, timeout=0.1)
        draining.cancel()
        self.config.timeout_graceful_shutdown = max(1, round(drained_by - loop.time()))
        await super().shutdown(sockets)

    async def _announce(self) -> None:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
        engines = self._app.state.services.engines
        err.print(f"listening on http://{host}:{port}, loading engines …")
        while not engines.ready:  # noqa: ASYNC110 - readiness is a state of processes, polled like a probe would
            await asyncio.sleep(0.05)
        err.print(
            f"ready: engine {self._settings.default_engine} at http://{host}:{port} (API at /docs). Try:\n"
            f"  curl -s http://{host}:{port}/tts -H 'content-type: application/json' "
            """-d '{"text":"Hello from Voxgate."}' -o hello.wav""",
            highlight=False,
            soft_wrap=True,
        )
