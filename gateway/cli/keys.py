"""``voxgate key new|hash``."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from gateway.cli.console import err, fail
from gateway.service.auth import key_hash
from gateway.settings import KEY_NAME

app = typer.Typer(help="API keys, of which the configuration holds only hashes.", no_args_is_help=True)

PREFIX = "vox_"  # so that a key is known for what it is wherever it turns up
RANDOM_BYTES = 32
SHORTEST = 22  # characters: 128 bits in base64


@app.command()
def new(name: Annotated[str, typer.Argument(help="Whose key it is: shown in logs and metrics.")] = "me") -> None:
    """Make a key: the key itself, to be given to its user, and its hash for the configuration."""
    if not KEY_NAME.fullmatch(name):
        raise fail(f"{name!r} is no name of a key: a-z, 0-9, - and _, a letter first", 2)
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    typer.echo(f"key: {key}")
    typer.echo(f"sha256: {key_hash(key)}")
    err.print(
        f"The key is shown only now. For the configuration:\n\naccess:\n  keys:\n    {name}:\n"
        f'      sha256: "{key_hash(key)}"',
        highlight=False,
        soft_wrap=True,
    )


@app.command("hash")
def hash_() -> None:
    """The hash of a key, which is read from standard input so that no shell remembers it."""
    key = typer.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise fail("a key is sent in a header, where clients encode other characters than ASCII in different ways", 2)
    if len(key) < SHORTEST:
        raise fail(
            f"a key needs {SHORTEST} random characters or more: the hash of one that can be guessed can be looked up. "
            "`voxgate key new` makes one",
            2,
        )
    typer.echo(key_hash(key))
