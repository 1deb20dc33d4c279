"""Text as the ids a checkpoint knows: letters, and for Chinese the pinyin of each character."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Callable
from pathlib import Path

from backends.errors import InvalidJob, LoadError
from backends.hub import HubError, parse_reference

Converter = Callable[[list[str]], list[list[str]]]

PACKAGE = "package://f5_tts"
UNKNOWN = 0  # the id of the space, which f5-tts uses for whatever a vocabulary lacks


class Vocabulary:
    """A checkpoint's symbols.

    :param symbols: ids by symbol.
    :param convert: f5-tts's ``convert_char_to_pinyin``.
    """

    def __init__(self, symbols: dict[str, int], convert: Converter):
        self._symbols = symbols
        self._convert = convert

    def __len__(self) -> int:
        return len(self._symbols)

    def ids(self, text: str) -> list[int]:
        """A text's ids; what the vocabulary lacks becomes a space."""
        return [self._symbols.get(symbol, UNKNOWN) for symbol in self._convert([text])[0]]

    def require(self, text: str) -> None:
        """Refuse a text with nothing to say, or with letters that the model would leave out.

        :raises InvalidJob: naming the first of them.
        """
        if not any(unicodedata.category(char)[0] in "LN" for char in text):
            raise InvalidJob("there is nothing to say in this text", param="text")
        for symbol in self._convert([text])[0]:
            if symbol not in self._symbols and any(char.isalpha() for char in symbol):
                raise InvalidJob(f"the vocabulary of this checkpoint has no {symbol!r}", param="text")


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a ``vocab.txt``: one symbol a line, the first of which is the space.

    :raises LoadError: it is no such file, or f5-tts is not installed.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: not a readable vocabulary ({error})") from error
    if lines[0] != " ":
        raise LoadError(f"{path}: not a vocabulary of F5-TTS, whose first line is a space")
    return Vocabulary({symbol: place for place, symbol in enumerate(lines)}, _converter())


def package_file(path: str) -> Path:
    """A file of the installed f5-tts package.

    :raises LoadError: when it is not installed.
    """
    reference = parse_reference(f"{PACKAGE}/{path}")
    try:
        return reference.locate()  # type: ignore[union-attr]
    except HubError as error:
        raise LoadError(f"the f5 engine needs f5-tts: make install-f5 ({error})") from error


def _converter() -> Converter:
    """Execute one file of f5-tts; importing ``f5_tts.model`` the usual way runs its trainer's imports, some 15 s."""
    path = package_file("model/utils.py")
    spec = importlib.util.spec_from_file_location("f5_tts.model.utils", path)
    assert spec is not None  # noqa: S101 - a file that exists and ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise LoadError(f"{path} cannot be imported: {error}; make install-f5") from error
    convert: Converter = module.convert_char_to_pinyin
    return convert
