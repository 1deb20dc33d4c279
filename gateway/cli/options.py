"""Command-line options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.console import exit_on_error
from gateway.settings import Settings
from gateway.settings_sources import load_settings

if TYPE_CHECKING:
    from gateway.cli.remote import RemoteGateway

DEFAULT_SERVER = "http://127.0.0.1:8000"
MODEL_DIR = Path("/opt/ml/model")  # where SageMaker unpacks a model archive

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file.", envvar="VOXGATE_CONFIG", show_envvar=True)
]
SageMakerOption = Annotated[
    bool,
    typer.Option("--sagemaker", help="As a SageMaker container.", envvar="VOXGATE_SAGEMAKER", show_envvar=True),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        help=f"URL of a running gateway; default, unless --config is given: {DEFAULT_SERVER}, or else a gateway that "
        "this user has started on another port, if it answers.",
        envvar="VOXGATE_SERVER",
        show_envvar=True,
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option("--api-key", help="API key of that gateway.", envvar="VOXGATE_API_KEY", show_envvar=True),
]


def settings_or_exit(config: Path | None, model_dir: Path | None = None, **flags: Any) -> Settings:
    """Load the settings, or exit with status 2 if they are invalid."""
    with exit_on_error(status=2):
        return load_settings(config, flags, model_dir)


def find_server(url: str | None, config: Path | None, api_key: str | None) -> RemoteGateway | None:
    """Return the given server, or else the default one or one on another port, if it answers.

    An empty ``VOXGATE_SERVER`` means no server. A given configuration is used instead of a server that happens to run
    on this machine.
    """
    if url is None and config is not None:
        return None
    from gateway.cli import remote  # importing an HTTP client takes 0.25 s, and `serve` does not need one

    return remote.find(url, default=DEFAULT_SERVER, api_key=api_key)
