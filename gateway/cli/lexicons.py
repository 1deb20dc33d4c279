"""``voxgate lexicons list|show|put|remove``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer
from rich.table import Table

from gateway.cli.console import err, exit_on_error, fail, out
from gateway.cli.options import ApiKeyOption, ConfigOption, ServerOption, find_server, settings_or_exit

if TYPE_CHECKING:
    from gateway.text.lexicons.store import LexiconStore

app = typer.Typer(
    help="Manage pronunciation dictionaries of a running gateway, or of the data folder.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(help="Name of the dictionary.")]


def _store(config: Path | None) -> LexiconStore:
    """Open the store in the data folder. Imported late, because commands that use a server do not need it."""
    settings = settings_or_exit(config)
    from gateway.app import lexicon_store

    with exit_on_error():
        return lexicon_store(settings)


@app.command("list")
def list_lexicons(server: ServerOption = None, api_key: ApiKeyOption = None, config: ConfigOption = None) -> None:
    """List pronunciation dictionaries."""
    if found := find_server(server, config, api_key):
        lexicons = found.request("GET", "/v1/lexicons").json()["lexicons"]
    else:
        lexicons = [lexicon.model_dump() for lexicon in _store(config).summaries()]
    table = Table("name", "language", "voices", "entries", "by default")
    for lexicon in lexicons:
        entries = lexicon.get("error") or str(lexicon["size"])
        language, voices = lexicon.get("language") or "all", ", ".join(lexicon["voices"]) or "all"
        table.add_row(lexicon["name"], language, voices, entries, "yes" if lexicon["default"] else "no")
    out.print(table)


@app.command()
def show(
    name: NameArgument,
    pls: Annotated[bool, typer.Option("--pls", help="Print W3C PLS 1.0 instead of JSON.")] = False,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Print a pronunciation dictionary, in a form that `put` reads."""
    from gateway.text.lexicon import Lexicon
    from gateway.text.lexicons.pls import to_pls

    if found := find_server(server, config, api_key):
        fields = found.request("GET", _path(name)).json()
        lexicon = Lexicon(name, fields.get("language"), tuple(fields["voices"]), fields["entries"])
    else:
        with exit_on_error():
            lexicon = _store(config).get(name)
    if pls:
        typer.echo(to_pls(lexicon), nl=False)
    else:
        fields = {"language": lexicon.language, "voices": lexicon.voices, "entries": lexicon.entries}
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="JSON, or W3C PLS 1.0 in a file that ends in .pls or .xml.")],
    name: Annotated[str | None, typer.Option(help="Name of the dictionary; default: the file's.")] = None,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Store a pronunciation dictionary, or replace it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise fail(f"cannot read {file}: {error.strerror}") from None
    name = file.stem if name is None else name
    is_pls = file.suffix.lower() in (".pls", ".xml")
    if found := find_server(server, config, api_key):
        content_type = "application/pls+xml" if is_pls else "application/json"
        answer = found.request("PUT", _path(name), headers={"Content-Type": content_type}, content=data)
        skipped, created = answer.json().get("skipped", []), answer.status_code == 201
    else:
        from gateway.api.native.lexicons import read_lexicon

        with exit_on_error():
            document, skipped = read_lexicon(data, is_pls)
            _, created = _store(config).put(name, document)
    for word in skipped or ():
        err.print(f"skipped {word!r}, which has phonemes only: add an alias")
    err.print(f"{'stored' if created else 'replaced'} {name}")


@app.command()
def remove(
    name: NameArgument, server: ServerOption = None, api_key: ApiKeyOption = None, config: ConfigOption = None
) -> None:
    """Remove a pronunciation dictionary."""
    if found := find_server(server, config, api_key):
        found.request("DELETE", _path(name))
    else:
        with exit_on_error():
            _store(config).remove(name)
    err.print(f"removed {name}")


def _path(name: str) -> str:
    return f"/v1/lexicons/{quote(name, safe='')}"
