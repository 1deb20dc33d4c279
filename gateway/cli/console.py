"""Console output of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from gateway.errors import GatewayError

# Texts may contain square brackets and colons, which are not markup or emoji codes here.
out = Console(markup=False, emoji=False)
err = Console(stderr=True, markup=False, emoji=False)


def fail(message: str, status: int = 1) -> typer.Exit:
    """Print an error on stderr and return the exception to raise."""
    err.print(Text.assemble(("error:", "bold red"), " ", message), soft_wrap=True)
    return typer.Exit(status)


@contextmanager
def exit_on_error(status: int = 1) -> Iterator[None]:
    """Turn a :class:`GatewayError` into a message and an exit status."""
    try:
        yield
    except GatewayError as error:
        raise fail(f"{error.param}: {error.message}" if error.param else error.message, status) from None


def progress_bar() -> Progress:
    """Create a transient progress bar on stderr."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
