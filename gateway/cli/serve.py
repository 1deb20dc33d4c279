"""``voxgate serve``."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import typer
import uvicorn

from gateway import logs
from gateway.app import create_app, local_clients, voice_store
from gateway.cli.common import ConfigOption, err, explained, settings_or_exit
from gateway.metrics import Metrics
from gateway.settings import Settings


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, then let running requests finish."""
    settings = settings_or_exit(config, host=host, port=port)
    logs.configure(settings.logs)
    metrics = Metrics()
    with explained(status=2):
        app = create_app(settings, local_clients(settings, metrics), voice_store(settings), metrics)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.limits.drain_s)),
            timeout_keep_alive=30,
            limit_concurrency=settings.limits.connections,
        ),
        settings,
    )
    server.run()
    if not server.started:
        raise typer.Exit(1)


class _Server(uvicorn.Server):
    """Says when the engines are ready, with a request to try."""

    def __init__(self, config: uvicorn.Config, settings: Settings):
        super().__init__(config)
        self._settings = settings
        self._announcement: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then watch the engines load."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._announcement = asyncio.create_task(self._announce())

    async def _announce(self) -> None:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
        engines = self.config.app.state.services.engines  # type: ignore[union-attr]
        err.print(f"listening on http://{host}:{port}, loading engines …", highlight=False)
        while not engines.ready:  # noqa: ASYNC110 - readiness is a state of processes, polled like a probe would
            await asyncio.sleep(0.05)
        err.print(
            f"ready: engine {self._settings.default_engine} at http://{host}:{port} (API at /docs). Try:\n"
            f"  curl -s http://{host}:{port}/tts -H 'content-type: application/json' "
            """-d '{"text":"Hello from Voxgate."}' -o hello.wav""",
            highlight=False,
            soft_wrap=True,
        )
