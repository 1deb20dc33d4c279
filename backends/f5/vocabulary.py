"""Text as the ids a checkpoint knows: letters, and for Chinese the pinyin of each character."""

from __future__ import annotations

import importlib.util
import unicodedata
from pathlib import Path
from typing import Protocol

from backends.errors import InvalidJob, LoadError
from backends.hub import HubError, parse_reference


class Converter(Protocol):
    """f5-tts's ``convert_char_to_pinyin``: the symbols of each text.

    With ``polyphone`` false every Chinese character gets its own reading, whatever stands around it; the symbols are as
    many, in the same order.
    """

    def __call__(self, text_list: list[str], polyphone: bool = True) -> list[list[str]]: ...  # noqa: D102


PACKAGE = "package://f5_tts"
UNKNOWN = 0  # the id of the space, which f5-tts uses for whatever a vocabulary lacks


class Vocabulary:
    """A checkpoint's symbols.

    :param symbols: ids by symbol.
    """

    def __init__(self, symbols: dict[str, int], convert: Converter):
        self._symbols = symbols
        self._convert = convert

    def __len__(self) -> int:
        return len(self._symbols)

    def ids(self, text: str) -> list[int]:
        """A text's ids; what the vocabulary lacks becomes a space."""
        return [self._symbols.get(symbol, UNKNOWN) for symbol in self._spell(text)]

    def require(self, text: str) -> None:
        """Refuse a text with nothing to say, or with letters that the model would leave out.

        :raises InvalidJob: naming the first of them.
        """
        if not any(unicodedata.category(char)[0] in "LN" for char in text):
            raise InvalidJob("there is nothing to say in this text", param="text")
        text = self._composed(text)
        # A character whose own reading is known is never left out, so each is looked at once: texts can be long.
        if self._lacking(self._spell(" ".join(dict.fromkeys(text)))) and (lacking := self._lacking(self._spell(text))):
            raise InvalidJob(f"the vocabulary of this checkpoint has no {lacking[0]!r}", param="text")

    def _spell(self, text: str) -> list[str]:
        """The symbols of a text.

        A reading in context may be lacking where the character's own is not: the official vocabulary has no ``ge``, as
        in 这个 (zhe4 ge), but ``ge4``. f5-tts leaves such a syllable out; here the character keeps its own reading.
        """
        text = self._composed(text)
        symbols = self._convert([text])[0]
        if not self._lacking(symbols):
            return symbols
        own = self._convert([text], polyphone=False)[0]
        return [symbol if symbol in self._symbols else alone for symbol, alone in zip(symbols, own, strict=True)]

    def _lacking(self, symbols: list[str]) -> list[str]:
        """The letters and readings among symbols that the vocabulary does not have."""
        return [symbol for symbol in symbols if symbol not in self._symbols and any(char.isalpha() for char in symbol)]

    def _composed(self, text: str) -> str:
        """The text with accents that the vocabulary does not have apart from their letters put on them (NFC)."""
        loose = any(unicodedata.combining(char) and char not in self._symbols for char in set(text))
        return unicodedata.normalize("NFC", text) if loose else text


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
