"""Built-in voices of an engine that has not been loaded, as its configuration determines them."""

from __future__ import annotations

import asyncio
import logging

from backends.base import BuiltinVoice
from gateway.engine.configuration import check_configuration
from gateway.errors import ConfigError
from gateway.settings import EngineSettings

_log = logging.getLogger(__name__)


async def known_voices(name: str, settings: EngineSettings) -> tuple[BuiltinVoice, ...]:
    """Ask the plugin.

    :returns: empty if only the loaded model knows its voices, or the plugin fails.
    """
    try:
        return await asyncio.to_thread(check_configuration, name, settings)
    except ConfigError as error:
        _log.info("voices of engine %s are unknown until it is loaded: %s", name, error)
        return ()
