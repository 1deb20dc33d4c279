"""The interface of converters, and imports of optional packages."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Protocol

from backends.errors import LoadError


class Converter(Protocol):
    """Converts text in one language to phones and punctuation marks."""

    def __call__(self, text: str) -> list[str]:
        """Convert clean text.

        :raises InvalidJob: if the pronunciation of a word or character is unknown.
        :raises LoadError: if a package is missing.
        """

    def warm_up(self) -> None:
        """Load the dictionaries before the first call.

        :raises LoadError: if a package is missing.
        """


def optional(module: str, package: str, extra: str) -> ModuleType:
    """Import a module of an optional package.

    :param package: its name on PyPI.
    :param extra: the extra of ``voxgate`` that installs it.
    :raises LoadError: naming both, if it is not installed.
    """
    try:
        # jieba's source has invalid escapes and imports pkg_resources, which newer setuptools deprecate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise LoadError(_missing(package, extra, error)) from error


def _missing(package: str, extra: str, error: Exception) -> str:
    return f"converting this text to phones needs {package}: pip install 'voxgate[{extra}]' ({error})"
