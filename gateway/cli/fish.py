"""``voxgate fish``: run the engine's own tools under the engine's interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import typer

from gateway.cli.options import ConfigOption, settings_or_exit

BACKEND = "fish"
HUB_VARIABLE = "FISH_HUB_SETTINGS"  # read by backends/fish/__main__.py


def fish(context: typer.Context, config: ConfigOption = None) -> None:
    """Run the stages of Fish-Speech on files: encode a recording, generate codes, decode them."""
    settings = settings_or_exit(config)
    engine = next((engine for engine in settings.engines.values() if engine.backend == BACKEND), None)
    python = engine and engine.python
    env = {**os.environ, **(engine.env if engine else {}), HUB_VARIABLE: json.dumps(settings.hub)}
    finished = subprocess.run([python or sys.executable, "-m", "backends.fish", *context.args], env=env, check=False)
    raise typer.Exit(finished.returncode)
