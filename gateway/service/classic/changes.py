"""Changes that a classic request to load a model makes to the base engine's settings."""

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
    """A checkpoint file or folder that a request names.

    :param param: the request field.
    :param placeholders: the clients' defaults, which mean the configured file unless a file of that name exists.
    """

    name: str
    param: str
    placeholders: tuple[str, ...]
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences from the base engine; None and missing keys keep its settings.

    :param dtype: preferred; a device without it uses the nearest one.
    :param sources: by key of the engine's ``model`` block.
    :param model: further keys of that block; None is the engine's default.
    """

    device: str | None = None
    dtype: str | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, base: EngineSettings, files: RequestFiles) -> EngineSettings:
        """Apply the changes; the result equals ``base`` if nothing differs. Blocks on disk access.

        :raises Forbidden: if a path is outside the allowed folders or is a hub reference.
        :raises InvalidRequest: naming the field.
        """
        model = {**base.model, **{key: value for key, value in self.model.items() if value != base.model.get(key)}}
        for key, source in self.sources.items():
            if (path := _find(source, base.model.get(key), files)) is not None:
                model[key] = str(path)
        update: dict[str, Any] = {"model": model}
        if self.dtype not in (None, base.dtype):
            update["dtype"] = f"{self.dtype},auto"
        if self.device is not None:
            if not _DEVICE.fullmatch(self.device):
                raise InvalidRequest(
                    f"invalid device {self.device!r}: must be auto, cpu, cuda or cuda:N", param="device"
                )
            update["device"] = "cuda:0" if self.device == "cuda" else self.device
        return base.model_copy(update=update)


def _find(source: Source, configured: Any, files: RequestFiles) -> Path | None:
    """The path of a source; None for the configured one."""
    if isinstance(configured, str) and source.name in (configured, configured.removeprefix(REMOTE)):
        return None
    if source.name.startswith(REMOTE):
        raise Forbidden("hub references are not allowed in requests, except the configured one", param=source.param)
    try:
        found = files.find(source.name, source.param)
    except Forbidden:
        if source.name in source.placeholders:
            return None
        raise
    if found is None:
        if source.name in source.placeholders:
            return None
        raise InvalidRequest("not found in the folders of the setting fish_api.roots", param=source.param)
    if not (found.is_dir() if source.is_folder else found.is_file()):
        raise InvalidRequest(f"must be a {'folder' if source.is_folder else 'file'}", param=source.param)
    return found
