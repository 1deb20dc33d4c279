"""Checkpoints as named tensors, and a reader that says what is missing from one or should not be in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backends.errors import LoadError

SHOWN = 4  # names listed in a message


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read ``.safetensors``, or a torch file of tensors and plain containers; nothing in it is executed.

    :raises LoadError: the file is missing, damaged, or holds more than plain data.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        # Files of torch before 1.6 are no archives, and cannot be mapped into memory.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except FileNotFoundError:
        raise LoadError(f"{path}: no such file") from None
    except UnpicklingError as error:
        raise LoadError(f"{path}: refused: it is damaged, or loading it would run code from it ({error})") from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise LoadError(f"{path}: not a readable checkpoint ({error})") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path}: holds a {type(content).__name__}, not named tensors")
    return content


class Weights:
    """Named tensors, handed out one by one with their shapes checked.

    :param tensors: by the names the checkpoint's own library gives them.
    :param source: where they come from, for messages.
    :param dtype: what floating-point tensors are converted to unless asked for otherwise.
    """

    def __init__(self, tensors: Mapping[str, Tensor], source: str, device: torch.device, dtype: torch.dtype):
        self._tensors = dict(tensors)
        self._source = source
        self.device = device
        self.dtype = dtype

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def rows(self, name: str) -> int:
        """The first dimension of a tensor.

        :raises LoadError: there is no such tensor.
        """
        return self._find(name).shape[0]

    def take(self, name: str, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Hand out a tensor; each can be taken once.

        :raises LoadError: there is none of that name and shape.
        """
        tensor = self._find(name)
        if tensor.shape != shape:
            found, needed = tuple(tensor.shape), tuple(shape)
            raise LoadError(f"{self._source}: {name} has shape {found}, but the architecture needs {needed}")
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise LoadError(f"{self._source}: {name} holds {kind}, not floating-point numbers: quantised weights?")
        del self._tensors[name]
        return tensor.to(device=self.device, dtype=dtype or self.dtype)

    def drop(self, name: str) -> None:
        """Forget a tensor that is not needed, if it is there."""
        self._tensors.pop(name, None)

    def finish(self) -> None:
        """Make sure that everything was used.

        :raises LoadError: naming what was not: the architecture is another one.
        """
        if self._tensors:
            rest = sorted(self._tensors)
            names = ", ".join(rest[:SHOWN]) + (f" and {len(rest) - SHOWN} more" if len(rest) > SHOWN else "")
            raise LoadError(f"{self._source}: holds weights the architecture has no place for: {names}")

    def _find(self, name: str) -> Tensor:
        try:
            return self._tensors[name]
        except KeyError:
            raise LoadError(f"{self._source}: has no weights named {name}, which the architecture needs") from None
