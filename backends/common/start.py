"""What engines on torch do first when they load."""

from __future__ import annotations

from pathlib import Path

import torch

from backends.base import EngineConfig, Progress
from backends.common.device import pick_device
from backends.common.memory import bound_kernels
from backends.errors import LoadError
from backends.hub import Hub, HubError


def start_torch(config: EngineConfig, where: str) -> torch.device:
    """Bound threads and what torch keeps, and pick the device.

    :param where: the engine's place in the configuration, e.g. ``engines.f5``.
    :raises LoadError: there is no such device.
    """
    bound_kernels()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return pick_device(config.device, where)


def fetch(hub: Hub, reference: str, progress: Progress, allow: tuple[str, ...] = ()) -> Path:
    """A checkpoint's place on this machine.

    :param allow: patterns of the files that are wanted of a repository; empty: all.
    :raises LoadError: it cannot be had.
    """
    try:
        return hub.fetch(reference, progress, allow=allow).path
    except HubError as error:
        raise LoadError(str(error)) from error
