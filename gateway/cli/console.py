"""What the commands say: on stdout what was asked for, on stderr everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from gateway.errors import GatewayError

# Nothing in a user's text means a colour, an emoji or a number to be coloured.
out = Console(markup=False, emoji=False)
err = Console(stderr=True, markup=False, emoji=False)


def fail(message: str, status: int = 1) -> typer.Exit:
    """Say why on stderr; raise what this returns."""
    err.print(Text.assemble(("error:", "bold red"), " ", message), soft_wrap=True)
    return typer.Exit(status)


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
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
