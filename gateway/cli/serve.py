"""``voxgate serve``."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import logs
from gateway.cli.console import explained
from gateway.cli.options import ConfigOption, settings_or_exit


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, then let running requests finish."""
    from gateway.app import create_app, local_clients, voice_store  # late: the other commands start without them
    from gateway.cli.server import GatewayServer
    from gateway.metrics import Metrics

    settings = settings_or_exit(config, host=host, port=port)
    logs.configure(settings.logs)
    metrics = Metrics()
    with explained(status=2):
        app = create_app(settings, local_clients(settings, metrics), voice_store(settings), metrics)
    server = GatewayServer(app, settings)
    server.run()
    if not server.started:
        raise typer.Exit(1)
