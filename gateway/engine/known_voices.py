"""Built-in voices of an engine that has not been loaded, as its configuration determines them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys

from backends.base import BuiltinVoice
from backends.errors import UnknownEngine
from backends.registry import Registry
from gateway.settings import EngineSettings

_log = logging.getLogger(__name__)

TIMEOUT_S = 30.0

# Builds the engine as its worker would, without its weights. A process of its own keeps the plugin's code and libraries
# out of the gateway.
_PROBE = """
import json, sys
from backends.base import EngineConfig
from backends.registry import Registry
given = json.load(sys.stdin)
engine = Registry().engine_class(given.pop("backend"))(EngineConfig(**given))
print(json.dumps([[voice.name, voice.language, voice.description] for voice in engine.known_voices()]))
"""


async def known_voices(name: str, settings: EngineSettings) -> tuple[BuiltinVoice, ...]:
    """Ask the plugin, which takes half a second.

    :returns: empty if only the loaded model knows its voices, or the plugin fails.
    """
    if settings.python is None:
        try:
            Registry().check(settings.backend)
        except UnknownEngine:
            return ()
    return await asyncio.to_thread(_probe, name, settings)


def _probe(name: str, settings: EngineSettings) -> tuple[BuiltinVoice, ...]:
    config = settings.model_dump(mode="json", include={"backend", "device", "dtype", "threads", "model", "defaults"})
    try:
        run = subprocess.run(
            [settings.python or sys.executable, "-P", "-c", _PROBE],
            input=json.dumps({"name": name, **config}),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env={**os.environ, **settings.env},
            check=True,
        )
        return tuple(BuiltinVoice(*fields) for fields in json.loads(run.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        _log.info("voices of engine %s are unknown until it is loaded: %s", name, error)
        return ()
