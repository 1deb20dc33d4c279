"""Characters that this generation supports: ASCII, kana and Chinese characters. No other letter is dropped silently."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from backends.errors import InvalidJob
from backends.text import SCRIPT_LANGUAGES, require_scripts, script

# Latin letters without a canonical decomposition, in their usual transliteration.
_LATIN = {
    "ß": "ss",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "TH",
    "ı": "i",
}
_SUPPORTED_SCRIPTS = frozenset({"CJK", "HIRAGANA", "KATAKANA"})
_KEPT = ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x4E00, 0x9FFF))  # kana and characters that clean_text keeps
_VOICING_MARKS = {"ﾞ": "\u3099", "ﾟ": "\u309a"}  # half-width; they belong to the kana before them
_ITERATION_MARK = "々"  # repeats the character before it


def supported_scripts(languages: Collection[str]) -> frozenset[str]:
    """The scripts of texts in these languages."""
    scripts = {name for name in _SUPPORTED_SCRIPTS if set(SCRIPT_LANGUAGES[name]) & set(languages)}
    return frozenset(scripts | {"LATIN"})


def check_letters(text: str, languages: tuple[str, ...], engine: str) -> None:
    """Reject a text with letters that the model does not support.

    :raises InvalidJob: naming the first such letter.
    """
    require_scripts(text, supported_scripts(languages), engine)
    for position, char in enumerate(text):
        if ord(char) > 127 and script(char) is not None and not _normalized(char, before="一"):
            raise InvalidJob(f"{engine} cannot speak {char!r} (character {position + 1} of the text)", param="text")
    if not any(char.isalnum() for char in text):
        raise InvalidJob("contains nothing to speak; it needs a letter or a digit", param="text")


def normalize(text: str) -> str:
    """Remove accents from Latin letters and replace compatibility forms of kana and characters."""
    return normalize_with_origins(text)[0]


def normalize_with_origins(text: str) -> tuple[str, list[int]]:
    """Return the normalized text, and the position in ``text`` of each of its characters and of its end."""
    chars: list[str] = []
    origins: list[int] = []
    for position, char in enumerate(text):
        if chars and char in _VOICING_MARKS:
            chars[-1] = unicodedata.normalize("NFC", chars[-1] + _VOICING_MARKS[char])[0]
            continue
        for normalized in _normalized(char, chars[-1] if chars else ""):
            chars.append(normalized)
            origins.append(position)
    return "".join(chars), [*origins, len(text)]


def _normalized(char: str, before: str) -> str:
    """A normalized character; empty if it is not supported."""
    if ord(char) < 128:
        return char
    if char in _LATIN:
        return _LATIN[char]
    if char in _VOICING_MARKS:
        return before
    if char == _ITERATION_MARK:
        return before if script(before or " ") == "CJK" else ""
    match script(char):
        case None:  # a combining accent is dropped: the letter before it stays
            return "" if 0x300 <= ord(char) <= 0x36F else char
        case "LATIN":
            return "".join(base for base in unicodedata.normalize("NFKD", char) if base.isascii())
    common = unicodedata.normalize("NFKC", char)
    return common if all(any(low <= ord(part) <= high for low, high in _KEPT) for part in common) else ""
