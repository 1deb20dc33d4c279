"""``voxgate serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import structlog
import typer

from gateway import logs
from gateway.cli.console import exit_on_error, fail
from gateway.cli.options import MODEL_DIR, ConfigOption, SageMakerOption, settings_or_exit
from gateway.environment import kubernetes_variables

log = structlog.get_logger(__name__)


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; :: is every IPv4 and IPv6 address.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: a free one.")] = None,
    root_path: Annotated[str | None, typer.Option(help="Path prefix of a reverse proxy, e.g. /speech.")] = None,
    sagemaker: SageMakerOption = False,
    model_dir: Annotated[Path, typer.Option(help="With --sagemaker: folder of the model archive.")] = MODEL_DIR,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, then let running requests finish."""
    from gateway.app import create_app, local_clients, voice_store  # other commands start faster without these imports
    from gateway.cli.listen import listen
    from gateway.cli.server import GatewayServer
    from gateway.metrics import Metrics

    settings = settings_or_exit(config, model_dir if sagemaker else None, host=host, port=port, root_path=root_path)
    if sagemaker and model_dir.is_dir():
        os.chdir(model_dir)  # relative paths of checkpoints refer to it, in the workers too
    elif model_dir != MODEL_DIR:
        raise fail(
            f"--model-dir {model_dir}: " + ("the folder does not exist" if sagemaker else "needs --sagemaker"), 2
        )
    logs.configure(settings.logs)
    if ignored := kubernetes_variables():
        log.debug("variables that Kubernetes sets for a Service are ignored", variables=sorted(ignored))
    metrics = Metrics()
    with exit_on_error(status=2):
        app = create_app(settings, local_clients(settings, metrics), voice_store(settings), metrics)
    with exit_on_error():
        sockets = listen(settings.host, settings.port)
    server = GatewayServer(app, settings)
    server.run(sockets)
    if not server.started:
        raise typer.Exit(1)
