"""What a classic request to load a model changes of the engine that models start from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.checkpoints import REMOTE
from gateway.errors import Forbidden, InvalidRequest
from gateway.service.classic.files import RequestFiles
from gateway.settings import EngineSettings

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint, or a folder of files, that a request names.

    :param param: the request field.
    :param stand_in: what clients send for "the usual one": it means the configured one, unless there is such a file.
    """

    name: str
    param: str
    stand_in: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the configured engine; None and absent keys leave it as it is.

    :param sources: by key of the engine's ``model`` block.
    :param model: further keys of that block.
    """

    device: str | None = None
    dtype: str | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)

    def applied(self, base: EngineSettings, files: RequestFiles) -> EngineSettings:
        """The settings of the engine that is asked for; equal to ``base`` when nothing differs. Blocks on the disk.

        :raises Forbidden: a path lies outside of the allowed folders, or names a hub.
        :raises InvalidRequest: naming the field.
        """
        model = {**base.model, **self.model}
        for key, source in self.sources.items():
            if (path := _located(source, base.model.get(key), files)) is not None:
                model[key] = str(path)
        update: dict[str, Any] = {"model": model}
        if self.dtype is not None:
            update["dtype"] = self.dtype
        if self.device is not None:
            if not _DEVICE.fullmatch(self.device):
                raise InvalidRequest(f"{self.device!r} is no device: cpu, cuda, cuda:1 …", param="device")
            update["device"] = "cuda:0" if self.device == "cuda" else self.device
        return base.model_copy(update=update)


def _located(source: Source, configured: Any, files: RequestFiles) -> Path | None:
    """Where a source lies; None for the configured one."""
    if isinstance(configured, str) and source.name in (configured, configured.removeprefix(REMOTE)):
        return None
    if source.name.startswith(REMOTE):
        raise Forbidden(
            "requests may not fetch from a hub; only the configured reference is allowed", param=source.param
        )
    try:
        found = files.find(source.name, source.param)
    except Forbidden:
        if source.name == source.stand_in:
            return None
        raise
    if found is None:
        if source.name == source.stand_in:
            return None
        raise InvalidRequest("is not there, in no folder of the setting fish_api.roots", param=source.param)
    if not (found.is_dir() if source.is_folder else found.is_file()):
        raise InvalidRequest(f"is no {'folder' if source.is_folder else 'file'}", param=source.param)
    return found
