"""``voxgate text``."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli.console import exit_on_error, fail, out
from gateway.cli.options import ApiKeyOption, ConfigOption, ServerOption, find_server, settings_or_exit
from gateway.service.request import VoiceSpec, parse


def text(
    text: Annotated[str, typer.Argument(help="Text to prepare; - reads it from standard input.")],
    engine: Annotated[str | None, typer.Option("--engine", "-e", help="Engine; default: the configured one.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", "-v", help="Built-in or stored voice.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the text, e.g. en.")] = None,
    normalize: Annotated[bool, typer.Option(help="Speak numbers, dates, signs as words.")] = True,
    ssml: Annotated[bool | None, typer.Option("--ssml/--no-ssml", help="Default: if it starts with <speak.")] = None,
    lexicon: Annotated[
        list[str] | None, typer.Option(help="Pronunciation dictionary; default: the configured.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer of POST /v1/text.")] = False,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what an engine would speak, without speaking it. Exit status 1: it cannot speak the text."""
    written = sys.stdin.read() if text == "-" else text
    fields: dict[str, Any] = {
        "engine": engine,
        "voice": voice,
        "language": language,
        "normalize": normalize,
        "ssml": ssml,
        "lexicons": lexicon,
    }
    if found := find_server(server, config, api_key):
        body = {name: value for name, value in fields.items() if value is not None}
        answer = found.request("POST", "/v1/text", json={**body, "text": written}).json()
    else:
        settings = settings_or_exit(config)
        from gateway.api.native.text import answer as describe
        from gateway.cli.local import inspect  # importing the whole gateway takes a second

        with exit_on_error():
            name, prepared = asyncio.run(inspect(settings, parse(VoiceSpec, fields), written))
        answer = describe(name, written, prepared).model_dump()
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _show(answer)
    if refused := answer["refused"]:
        places = ", ".join(f"{one['character']!r} (character {one['start'] + 1})" for one in refused)
        raise fail(f"{answer['engine']} cannot speak {places}")


def _show(answer: dict[str, Any]) -> None:
    typer.echo(answer["spoken_text"])
    if not answer["changes"]:
        return
    table = Table("characters", "written", "spoken", "category", box=None)
    for change in answer["changes"]:
        table.add_row(
            f"{change['start']}-{change['end']}", change["written"], change["spoken"] or "(nothing)", change["category"]
        )
    out.print()
    out.print(table)
