"""``voxgate engines``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli.console import out
from gateway.cli.options import ApiKeyOption, ConfigOption, ServerOption, find_server, settings_or_exit


def engines(
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the engines of a running gateway, or of the configuration if no gateway is found."""
    if found := find_server(server, config, api_key):
        listing = found.request("GET", "/v1/engines").json()
    else:
        settings = settings_or_exit(config)
        listing = {
            "default": settings.default_engine,
            "engines": [
                {"name": name, "backend": engine.backend, "load": engine.load, "state": "not running"}
                for name, engine in settings.engines.items()
            ],
        }
    if as_json:
        out.print_json(data=listing)
        return
    table = Table("engine", "state", "model", "languages", "cloning", "voices")
    for engine in listing["engines"]:
        table.add_row(*_row(engine, listing["default"]))
    out.print(table)


def _row(engine: dict[str, Any], default: str) -> list[str]:
    state = engine["state"] if not engine.get("error") else f"{engine['state']}: {engine['error']}"
    return [
        engine["name"] + (" (default)" if engine["name"] == default else ""),
        state,
        engine.get("model") or "",
        " ".join(engine.get("languages") or ()),
        engine.get("cloning") or "",
        " ".join(engine.get("voices") or ()),
    ]
