"""Checks of an engine's configuration that need neither weights nor a device."""

from __future__ import annotations

import re
from collections.abc import Mapping

from backends.base import EngineConfig
from backends.errors import InvalidConfig
from backends.hub.errors import HubError
from backends.hub.reference import HubReference, parse_reference

TORCH_DTYPES = ("float32", "bfloat16", "float16")


def check_device(config: EngineConfig, *, gpu: bool = False) -> None:
    """Check the names of ``device`` and ``dtype``; several dtypes may be listed in the order of preference.

    :param gpu: whether the engine runs on CUDA devices too, in PyTorch's dtypes; otherwise on the CPU, in a dtype of
        its own, ``auto``.
    :raises InvalidConfig: naming the key.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?" if gpu else "auto|cpu", config.device):
        fix = "auto, cpu, cuda or cuda:0 …" if gpu else "auto or cpu"
        raise InvalidConfig(f"{config.where}.device", f"{config.device!r} is not supported; use {fix}")
    known = ("auto", *TORCH_DTYPES)
    allowed = known if gpu else ("auto",)
    dtypes = config.dtype.split(",")
    if not (set(dtypes).issubset(known) and set(dtypes).intersection(allowed)):
        raise InvalidConfig(f"{config.where}.dtype", f"{config.dtype!r} is not supported; use {' or '.join(allowed)}")


def check_references(references: Mapping[str, str | None], where: str) -> None:
    """Check the syntax of checkpoint references, and that those of this machine exist, before anything is downloaded.

    :param references: by configuration key; None is skipped.
    :param where: path of these keys, e.g. ``engines.f5.model``.
    :raises InvalidConfig: naming the key.
    """
    for key, text in references.items():
        if text is None:
            continue
        try:
            reference = parse_reference(text)
            if not isinstance(reference, HubReference):
                reference.locate()
        except HubError as error:
            raise InvalidConfig(f"{where}.{key}", str(error)) from None
