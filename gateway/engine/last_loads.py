"""Capabilities of the last load of each engine, kept on disk to be shown before the engine is loaded again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from pathlib import Path

import msgspec
import structlog

from backends.base import Capabilities
from gateway import __version__
from gateway.settings import EngineSettings

log = structlog.get_logger(__name__)

_MAX_BYTES = 4 * 2**20
# Settings that determine capabilities. `env` may, too, but has secrets, which a hash of known values could reveal.
_DETERMINING = {"backend", "device", "dtype", "python", "model", "defaults"}


class _Entry(msgspec.Struct, frozen=True):
    """The content of a file. :ivar key: digest of what determines the capabilities."""

    key: str
    capabilities: Capabilities


class LastLoads:
    """One small file per engine, for display only: requests are checked against the loaded model.

    A file that is damaged, or was written for another configuration or version, counts as missing.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._has_failed = False

    def read(self, name: str, settings: EngineSettings) -> Capabilities | None:
        """Return the capabilities of the last load with these settings; None if they are unknown."""
        try:
            with self._path(name).open("rb") as file:
                entry = msgspec.json.decode(file.read(_MAX_BYTES), type=_Entry)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.info("capabilities of the last load cannot be read", engine=name, error=str(error))
            return None
        return entry.capabilities if entry.key == _key(name, settings) else None

    def write(self, name: str, settings: EngineSettings, capabilities: Capabilities) -> asyncio.Future[None]:
        """Replace the engine's file, in a thread. A failure is logged once, and not raised."""
        data = msgspec.json.encode(_Entry(_key(name, settings), capabilities))
        return asyncio.get_running_loop().run_in_executor(None, self._replace, self._path(name), data)

    def _replace(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=".tmp-", dir=self._folder)
            try:
                with open(descriptor, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except OSError:
                os.unlink(temporary)
                raise
        except OSError as error:
            if not self._has_failed:
                log.warning("capabilities cannot be kept for the next start", path=str(path), error=error.strerror)
            self._has_failed = True

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _key(name: str, settings: EngineSettings) -> str:
    configuration = settings.model_dump(mode="json", include=_DETERMINING)
    return hashlib.sha256(json.dumps([__version__, name, configuration], sort_keys=True).encode()).hexdigest()
