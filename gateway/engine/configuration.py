"""An engine's configuration as its plugin gets it, and the plugin's check of it without weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.base import BuiltinVoice, EngineConfig
from backends.wire import Configure
from gateway.errors import ConfigError
from gateway.settings import EngineSettings

TIMEOUT_S = 60.0  # importing a plugin from a cold disk is slow


class _Answer(msgspec.Struct):
    voices: tuple[BuiltinVoice, ...] = ()
    error: str | None = None


def engine_config(name: str, settings: EngineSettings, hub: Mapping[str, Any] | None = None) -> EngineConfig:
    """Return the part of an engine's settings that its plugin reads.

    :param hub: the configuration's ``hub`` block.
    """
    return EngineConfig(
        name=name,
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        model=settings.model,
        defaults=settings.defaults,
        hub=hub or {},
    )


def check_configuration(
    name: str, settings: EngineSettings, hub: Mapping[str, Any] | None = None
) -> tuple[BuiltinVoice, ...]:
    """Let the plugin check an engine's configuration, under the engine's interpreter, which takes half a second.

    A process of its own keeps the plugin's code and libraries out of the gateway.

    :returns: the built-in voices that the configuration determines.
    :raises ConfigError: if the interpreter cannot be run, or the plugin is missing, broken or refuses the
        configuration.
    """
    try:
        run = subprocess.run(
            [settings.python or sys.executable, "-P", "-m", "backends.worker.check"],
            input=msgspec.json.encode(Configure(settings.backend, engine_config(name, settings, hub))),
            capture_output=True,
            timeout=TIMEOUT_S,
            env={**os.environ, **settings.env},
            check=False,
        )
        answer = msgspec.json.decode(run.stdout.splitlines()[-1], type=_Answer)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"cannot be run: {error}") from None
    except (IndexError, msgspec.MsgspecError):
        lines = run.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(lines[-1] if lines else f"exit status {run.returncode}") from None
    if answer.error is not None:
        raise ConfigError(answer.error)
    return answer.voices
