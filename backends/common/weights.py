"""Loading of checkpoints as named tensors, with strict checks of names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from backends.errors import LoadError

NAMES_SHOWN = 4

M = TypeVar("M", bound=nn.Module)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a ``.safetensors`` file, or a torch file of tensors and plain containers. Executes nothing in it.

    :raises LoadError: if the file is missing, damaged, or contains more than plain data.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        # Files of torch before 1.6 are not zip archives and cannot be memory-mapped.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except FileNotFoundError:
        raise LoadError(f"{path}: no such file") from None
    except UnpicklingError as error:
        raise LoadError(f"{path}: refused: the file is damaged, or loading it would run code ({error})") from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise LoadError(f"{path}: not a readable checkpoint ({error})") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path}: holds a {type(content).__name__}, not named tensors")
    return content


def direct(module: M) -> M:
    """Let Python find parts and parameters of a loaded module itself, faster than ``nn.Module`` does; return it."""
    for part in module.modules():
        part.__dict__.update(part._modules, **part._parameters)
    return module


class Weights:
    """Named tensors of a checkpoint; ``take`` checks each shape, ``finish`` that none is left.

    :param tensors: with the names of the checkpoint's own library.
    :param source: the checkpoint, for messages.
    :param dtype: the default dtype that floating-point tensors are converted to.
    """

    def __init__(self, tensors: Mapping[str, Tensor], source: str, device: torch.device, dtype: torch.dtype):
        self._tensors = dict(tensors)
        self._source = source
        self.device = device
        self.dtype = dtype

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def rows(self, name: str) -> int:
        """The size of a tensor's first dimension.

        :raises LoadError: if there is no such tensor.
        """
        return self._find(name).shape[0]

    def take(self, name: str, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return a tensor on the device; each can be taken once.

        :raises LoadError: if the checkpoint has no tensor with that name and shape.
        """
        tensor = self._find(name)
        if tensor.shape != shape:
            found, needed = tuple(tensor.shape), tuple(shape)
            raise LoadError(f"{self._source}: {name} has shape {found}, but the architecture needs {needed}")
        dtype = dtype or self.dtype
        if tensor.is_floating_point() != dtype.is_floating_point:
            kinds = [str(kind).removeprefix("torch.") for kind in (tensor.dtype, dtype)]
            raise LoadError(f"{self._source}: {name} is {kinds[0]} of shape {shape}, not {kinds[1]}")
        del self._tensors[name]
        return tensor.to(device=self.device, dtype=dtype)

    def load(self, module: nn.Module) -> None:
        """Assign all tensors to a module in the precision they are stored in, and freeze it.

        :raises LoadError: if a tensor is missing or does not fit, or the module has no place for it.
        """
        state = {}
        for name, own in module.state_dict().items():
            stored = self._find(name).dtype
            floating = stored.is_floating_point and own.is_floating_point()
            state[name] = self.take(name, *own.shape, dtype=stored if floating else own.dtype)
        self.finish()
        module.load_state_dict(state, assign=True)
        module.requires_grad_(False)

    def drop(self, name: str) -> None:
        """Drop an unused tensor, if it exists."""
        self._tensors.pop(name, None)

    def finish(self) -> None:
        """Check that every tensor was taken.

        :raises LoadError: names the rest; the architecture differs.
        """
        if self._tensors:
            rest = sorted(self._tensors)
            names = ", ".join(rest[:NAMES_SHOWN]) + (
                f" and {len(rest) - NAMES_SHOWN} more" if len(rest) > NAMES_SHOWN else ""
            )
            raise LoadError(f"{self._source}: has weights that the architecture has no place for: {names}")

    def _find(self, name: str) -> Tensor:
        try:
            return self._tensors[name]
        except KeyError:
            raise LoadError(f"{self._source}: has no weights named {name}, which the architecture needs") from None
