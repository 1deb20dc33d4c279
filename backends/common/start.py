"""First steps of loading an engine that uses torch."""

from __future__ import annotations

from pathlib import Path

import torch

from backends.base import EngineConfig, Progress
from backends.common.device import pick_device
from backends.common.memory import limit_onednn_cache
from backends.errors import LoadError
from backends.hub import Hub, HubError


def start_torch(config: EngineConfig, where: str) -> torch.device:
    """Set the number of threads and the kernel cache limit, and select the device.

    :param where: path of the engine in the configuration, e.g. ``engines.f5``.
    :raises LoadError: if the device does not exist.
    """
    limit_onednn_cache()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return pick_device(config.device, where)


def fetch(hub: Hub, reference: str, progress: Progress, allow: tuple[str, ...] = ()) -> Path:
    """Fetch a checkpoint and return its local path.

    :param allow: patterns of the files to fetch; empty: all.
    :raises LoadError: if that fails.
    """
    try:
        return hub.fetch(reference, progress, allow=allow).path
    except HubError as error:
        raise LoadError(str(error)) from error
