"""The ``voxgate`` command."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import __version__, logs
from gateway.cli import deploy, doctor, engines, fish, keys, lexicons, pull, say, serve, text, ui, voices
from gateway.cli.chat.command import chat
from gateway.settings import LogSettings

app = typer.Typer(
    name="voxgate",
    help="A text-to-speech gateway: several speech engines behind one HTTP API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(ui.ui)
app.command()(say.say)
app.command()(chat)
app.command()(text.text)
app.command()(engines.engines)
app.command()(pull.pull)
app.command()(doctor.doctor)
# The engine's own tools, which this process does not import, parse the options.
_FORWARD_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command(context_settings=_FORWARD_OPTIONS, add_help_option=False)(fish.fish)
app.add_typer(voices.app, name="voices")
app.add_typer(lexicons.app, name="lexicons")
app.add_typer(keys.app, name="key")
app.add_typer(deploy.app, name="deploy")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voxgate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    logs.configure(LogSettings(format="plain", level="warning"))  # `serve` applies its configuration later


def main() -> None:
    """Entry point of the installed command."""
    app()
