"""What the commands share: options, errors on stderr, and talking to a running server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway.errors import GatewayError
from gateway.settings import Settings, load_settings

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


class Server:
    """A running gateway, over HTTP."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        host = urlsplit(self.url).hostname or ""
        local = host == "localhost" or host.startswith("127.") or host == "::1"
        # A proxy from the environment is for other machines.
        self._http = httpx.Client(base_url=self.url, timeout=httpx.Timeout(10.0, read=None), trust_env=not local)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Send a request; any error ends the command with the server's own words."""
        try:
            response = self._http.request(method, path, **kwargs)
        except httpx.HTTPError as error:
            raise fail(f"{self.url} does not answer: {error}") from None
        if response.is_error:
            raise fail(_reason(response))
        return response

    def answers(self) -> bool:
        """Whether a gateway is there."""
        try:
            return self._http.get("/health/live", timeout=1.0).is_success
        except httpx.HTTPError:
            return False


def find_server(url: str | None) -> Server | None:
    """The server asked for, or the default one if it answers; an empty ``VOXGATE_SERVER`` means none."""
    if url is not None:
        return Server(url)
    server = Server(os.environ.get("VOXGATE_SERVER", DEFAULT_SERVER))
    return server if server.answers() else None


def _reason(response: httpx.Response) -> str:
    try:
        error = response.json()["error"]
        return f"{error['param']}: {error['message']}" if error.get("param") else str(error["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.request.url} answered {response.status_code}: {response.text[:500]}"
