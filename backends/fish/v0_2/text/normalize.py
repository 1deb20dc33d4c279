"""What this generation can spell: ASCII letters, kana and Chinese characters. Nothing else is dropped silently."""

from __future__ import annotations

import unicodedata

from backends.errors import InvalidJob
from backends.text import SCRIPT_LANGUAGES, require_scripts, script

# Latin letters without a canonical decomposition, as they are commonly transliterated.
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
_SPELLED = frozenset({"CJK", "HIRAGANA", "KATAKANA"})


_KEPT = ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x4E00, 0x9FFF))  # what clean_text leaves of kana and characters
_VOICING = {"ﾞ": "\u3099", "ﾟ": "\u309a"}  # half-width marks belong to the kana before them
_AGAIN = "々"  # the character before it, once more


def require_letters(text: str, languages: tuple[str, ...], engine: str) -> None:
    """Refuse a text with letters the model cannot be given.

    :raises InvalidJob: naming the first of them.
    """
    known = {name for name in _SPELLED if set(SCRIPT_LANGUAGES[name]) & set(languages)}
    require_scripts(text, frozenset(known | {"LATIN"}), engine)
    for position, char in enumerate(text):
        if ord(char) > 127 and script(char) is not None and not _plain(char, before="一"):
            raise InvalidJob(f"{engine} cannot speak {char!r} (character {position + 1} of the text)", param="text")
    if not any(char.isalnum() for char in text):
        raise InvalidJob("there is nothing to say in it", param="text")


def plain(text: str) -> str:
    """Latin letters without accents, kana and characters in their common forms; everything else as it is."""
    return with_origins(text)[0]


def with_origins(text: str) -> tuple[str, list[int]]:
    """The plain text, and for each of its characters and its end where that stood in ``text``."""
    made: list[str] = []
    origins: list[int] = []
    for position, char in enumerate(text):
        if made and char in _VOICING:
            made[-1] = unicodedata.normalize("NFC", made[-1] + _VOICING[char])[0]
            continue
        for letter in _plain(char, made[-1] if made else ""):
            made.append(letter)
            origins.append(position)
    return "".join(made), [*origins, len(text)]


def _plain(char: str, before: str) -> str:
    """A character as it can be spelled; nothing where it cannot."""
    if ord(char) < 128:
        return char
    if char in _LATIN:
        return _LATIN[char]
    if char in _VOICING:
        return before
    if char == _AGAIN:
        return before if script(before or " ") == "CJK" else ""
    match script(char):
        case None:  # a lone accent belongs to the letter before it, whose plain form is there already
            return "" if 0x300 <= ord(char) <= 0x36F else char
        case "LATIN":
            return "".join(base for base in unicodedata.normalize("NFKD", char) if base.isascii())
    common = unicodedata.normalize("NFKC", char)
    return common if all(any(low <= ord(part) <= high for low, high in _KEPT) for part in common) else ""
