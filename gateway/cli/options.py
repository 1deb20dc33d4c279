"""Options that several commands have, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.console import explained
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.cli.remote import RemoteGateway

DEFAULT_SERVER = "http://127.0.0.1:8000"

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file.", envvar="VOXGATE_CONFIG", show_envvar=True)
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        help=f"Address of a running gateway; default: {DEFAULT_SERVER} if one answers there and no --config is given.",
        envvar="VOXGATE_SERVER",
        show_envvar=True,
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option("--api-key", help="Key to send to that gateway.", envvar="VOXGATE_API_KEY", show_envvar=True),
]


def settings_or_exit(config: Path | None, model_dir: Path | None = None, **flags: Any) -> Settings:
    """The settings; exit status 2 when they are wrong."""
    with explained(status=2):
        return load_settings(config, flags, model_dir)


def find_server(url: str | None, config: Path | None, api_key: str | None) -> RemoteGateway | None:
    """The server asked for, or the default one if it answers; an empty ``VOXGATE_SERVER`` means none.

    Whoever names a configuration means that, not whatever server happens to run on this machine.
    """
    if url is None and config is not None:
        return None
    from gateway.cli import remote  # an HTTP client takes a quarter of a second to import, which `serve` does not need

    return remote.find(url, default=DEFAULT_SERVER, api_key=api_key)
