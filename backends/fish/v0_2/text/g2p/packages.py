"""Optional packages, imported when they are needed."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from types import ModuleType
from typing import Protocol

from backends.errors import LoadError
from backends.hub import HubError, PackageReference


class Reader(Protocol):
    """Turns the text of one language into phones and punctuation marks."""

    def __call__(self, text: str) -> list[str]:
        """Read clean text.

        :raises InvalidJob: something in it has no reading.
        :raises LoadError: a package is missing.
        """

    def warm_up(self) -> None:
        """Load what the first call would.

        :raises LoadError: a package is missing.
        """


def optional(module: str, package: str, extra: str) -> ModuleType:
    """Import a module of an optional package.

    :param package: its name on PyPI.
    :param extra: the extra of ``voxgate`` that installs it.
    :raises LoadError: naming both.
    """
    try:
        # jieba's source has invalid escapes and asks for pkg_resources, which newer setuptools deprecate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise LoadError(_missing(package, extra, error)) from error


def optional_file(module: str, path: str, package: str, extra: str) -> Path:
    """A file of an optional package, which is not imported.

    :raises LoadError: naming package and extra.
    """
    try:
        return PackageReference(module, path).locate()
    except HubError as error:
        raise LoadError(_missing(package, extra, error)) from error


def _missing(package: str, extra: str, error: Exception) -> str:
    return f"spelling this text in phones needs {package}: pip install 'voxgate[{extra}]' ({error})"
