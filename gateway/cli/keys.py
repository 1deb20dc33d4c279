"""``voxgate key new|hash``."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from gateway.cli.console import err, fail
from gateway.service.auth import key_hash
from gateway.settings import KEY_NAME

app = typer.Typer(help="Create and hash API keys. The configuration contains only hashes.", no_args_is_help=True)

PREFIX = "vox_"  # makes a leaked key recognizable
RANDOM_BYTES = 32
MIN_CHARS = 22  # 128 bits in base64


@app.command()
def new(name: Annotated[str, typer.Argument(help="Name of the key in logs and metrics.")] = "me") -> None:
    """Create a key: print the key for its user, and its hash for the configuration."""
    if not KEY_NAME.fullmatch(name):
        raise fail(f"invalid key name {name!r}: must match {KEY_NAME.pattern}", 2)
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    typer.echo(f"key: {key}")
    typer.echo(f"sha256: {key_hash(key)}")
    err.print(
        f"The key is not stored or shown again. For the configuration:\n\naccess:\n  keys:\n    {name}:\n"
        f'      sha256: "{key_hash(key)}"',
        highlight=False,
        soft_wrap=True,
    )


@app.command("hash")
def hash_() -> None:
    """Print the hash of a key, read from standard input to keep it out of the shell's history."""
    key = typer.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise fail("a key must be printable ASCII, because clients encode other characters in different ways", 2)
    if len(key) < MIN_CHARS:
        raise fail(
            f"a key must have {MIN_CHARS} random characters or more, because a hash does not protect a key that can be "
            "guessed: create one with `voxgate key new`",
            2,
        )
    typer.echo(key_hash(key))
