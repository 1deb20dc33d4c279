"""Uvicorn, as ``voxgate serve`` runs it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from gateway.cli.console import err
from gateway.settings import Settings


class GatewayServer(uvicorn.Server):
    """Says when the engines are ready, with a request to try; ends with status 0 after a drain."""

    def __init__(self, app: FastAPI, settings: Settings):
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
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
