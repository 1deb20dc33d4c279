"""What the commands share: options, errors on stderr, and talking to a running server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway.errors import GatewayError
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.cli.remote import Server

DEFAULT_SERVER = "http://127.0.0.1:8000"

out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file.", envvar="VOXGATE_CONFIG", show_envvar=True)
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        help=f"Address of a running gateway; default: {DEFAULT_SERVER} if one answers there.",
        envvar="VOXGATE_SERVER",
        show_envvar=True,
    ),
]


def fail(message: str, status: int = 1) -> typer.Exit:
    """Say why on stderr; raise what this returns."""
    err.print(f"[bold red]error:[/] {message}", highlight=False, soft_wrap=True)
    return typer.Exit(status)


def settings_or_exit(config: Path | None, **flags: Any) -> Settings:
    """The settings; exit status 2 when they are wrong."""
    with explained(status=2):
        return load_settings(config, flags)


@contextmanager
def explained(status: int = 1) -> Iterator[None]:
    """Turn the gateway's own errors into a message and an exit status."""
    try:
        yield
    except GatewayError as error:
        raise fail(f"{error.param}: {error.message}" if error.param else error.message, status) from None


def progress_bar() -> Progress:
    """A bar on stderr that leaves nothing behind."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=err, transient=True
    )


def find_server(url: str | None) -> Server | None:
    """The server asked for, or the default one if it answers; an empty ``VOXGATE_SERVER`` means none."""
    from gateway.cli import remote  # an HTTP client takes a quarter of a second to import, which `serve` does not need

    return remote.find(url)
