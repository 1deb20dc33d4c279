"""Vocabulary: converts text to symbol ids; the symbols are letters and, for Chinese, pinyin syllables."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from backends.errors import InvalidJob, LoadError
from backends.hub import HubError, parse_reference
from backends.text import Alphabet, is_spoken, script


class Converter(Protocol):
    """f5-tts's ``convert_char_to_pinyin``: convert each text to symbols.

    With ``polyphone`` false, every Chinese character gets its reading in isolation instead of its reading in context.
    The number and order of symbols are the same.
    """

    def __call__(self, text_list: list[str], polyphone: bool = True) -> list[list[str]]: ...  # noqa: D102


PACKAGE = "package://f5_tts"
_PINYIN = re.compile("[a-züv]+[1-5]")  # a syllable with its tone, e.g. ni3
UNKNOWN = 0  # id of the space, which f5-tts substitutes for symbols that a vocabulary lacks


class Vocabulary:
    """The symbols of a checkpoint.

    :param symbols: id of each symbol.
    """

    def __init__(self, symbols: dict[str, int], convert: Converter):
        self._symbols = symbols
        self._convert = convert

    def __len__(self) -> int:
        return len(self._symbols)

    def ids(self, text: str) -> list[int]:
        """Convert text to symbol ids; an unknown symbol becomes a space."""
        return [self._symbols.get(symbol, UNKNOWN) for symbol in self._convert_text(text)]

    def alphabet(self, scripts: Collection[str]) -> Alphabet:
        """The characters that can be spoken, among them letters of these scripts only.

        Chinese characters are in it if the vocabulary has pinyin; one with an unknown reading is refused by
        :meth:`require`.
        """
        single = (symbol for symbol in self._symbols if len(symbol) == 1)
        has_pinyin = any(_PINYIN.fullmatch(symbol) for symbol in self._symbols)
        return Alphabet(
            ("CJK",) if has_pinyin and "CJK" in scripts else (),
            "".join(char for char in single if is_spoken(char) and (script(char) or "") in {*scripts, ""}),
        )

    def require(self, text: str) -> None:
        """Reject a text without letters or digits, or with letters, digits or signs the vocabulary lacks.

        :raises InvalidJob: names the first unknown symbol.
        """
        if not any(unicodedata.category(char)[0] in "LN" for char in text):
            raise InvalidJob("the text has no letters or digits to speak", param="text")
        text = self._compose(text)
        # Check each distinct character once, because texts can be long. A character passes if its reading in isolation
        # is known; only a failure needs the readings in context.
        distinct = " ".join(dict.fromkeys(text))
        if self._unknown(self._convert_text(distinct)) and (unknown := self._unknown(self._convert_text(text))):
            raise InvalidJob(f"the vocabulary of this checkpoint has no symbol {unknown[0]!r}", param="text")

    def _convert_text(self, text: str) -> list[str]:
        """Convert text to symbols.

        A character's reading in context may be unknown while its reading in isolation is not: the official vocabulary
        has ``ge4`` but not the ``ge`` of 这个 (zhe4 ge). f5-tts drops the syllable; this uses the reading in isolation.
        """
        text = self._compose(text)
        symbols = self._convert([text])[0]
        if not self._unknown(symbols):
            return symbols
        isolated = self._convert([text], polyphone=False)[0]
        return [symbol if symbol in self._symbols else alone for symbol, alone in zip(symbols, isolated, strict=True)]

    def _unknown(self, symbols: list[str]) -> list[str]:
        """Letters, digits, signs and readings that the vocabulary lacks."""
        return [symbol for symbol in symbols if symbol not in self._symbols and any(map(is_spoken, symbol))]

    def _compose(self, text: str) -> str:
        """Compose combining marks with their letters (NFC) if the vocabulary lacks a mark."""
        unknown_mark = any(unicodedata.combining(char) and char not in self._symbols for char in set(text))
        return unicodedata.normalize("NFC", text) if unknown_mark else text


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a ``vocab.txt``: one symbol per line, the first a space.

    :raises LoadError: if it is not such a file, or f5-tts is not installed.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: not a readable vocabulary ({error})") from error
    if lines[0] != " ":
        raise LoadError(f"{path}: not an F5-TTS vocabulary: the first line must be a space")
    return Vocabulary({symbol: index for index, symbol in enumerate(lines)}, _converter())


def package_file(path: str) -> Path:
    """Locate a file of the installed f5-tts package.

    :raises LoadError: if f5-tts is not installed.
    """
    reference = parse_reference(f"{PACKAGE}/{path}")
    try:
        return reference.locate()  # type: ignore[union-attr]
    except HubError as error:
        raise LoadError(f"the f5 engine needs f5-tts: make install-f5 ({error})") from error


def _converter() -> Converter:
    """Execute one file of f5-tts. Importing ``f5_tts.model`` would import its trainer too, which takes some 15 s."""
    path = package_file("model/utils.py")
    spec = importlib.util.spec_from_file_location("f5_tts.model.utils", path)
    assert spec is not None  # noqa: S101 - the file exists and ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise LoadError(f"{path} cannot be imported: {error}; make install-f5") from error
    convert: Converter = module.convert_char_to_pinyin
    return convert
