"""Uvicorn server of ``voxgate serve``, with graceful shutdown."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvicorn
from fastapi import FastAPI

from gateway.cli.console import err
from gateway.cli.protocol import HttpProtocol, WebSocketProtocol
from gateway.cli.running import announced
from gateway.settings import Settings

GC_THRESHOLD = 10_000  # new container objects that trigger a collection
SPARE_FILES = 300  # besides connections: voices, pipes of workers, libraries


def exclude_imports_from_gc() -> None:
    """Exclude the objects that exist now (modules, classes, schemas) from garbage collection, and collect less often.

    They live as long as the process, and a full collection that visits them pauses the event loop for 0.1 s. Requests
    in flight hold thousands of objects, so the default threshold of 700 would start a collection every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def raise_file_limit(wanted: int) -> int:
    """Raise this process's limit on open files as far as it may, at most to ``wanted``, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


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
        files = raise_file_limit(settings.limits.connections + SPARE_FILES)
        connections = max(1, min(settings.limits.connections, files - SPARE_FILES))
        limits = settings.limits.model_copy(update={"connections": connections})
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=type("Http", (HttpProtocol,), {"limits": limits}),
            ws=type("WebSocket", (WebSocketProtocol,), {"limits": limits}),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.limits.drain_s)),
            timeout_keep_alive=30,
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
