"""Scripts of a text, so that an engine can refuse unsupported characters, and splitting of long sentences."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from backends.errors import InvalidJob

# First word of a letter's Unicode name -> languages that use the script (BCP 47 primary subtags). Not exhaustive: it
# only selects which engines to suggest.
SCRIPT_LANGUAGES: dict[str, tuple[str, ...]] = {
    "CJK": ("zh", "ja"),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "BOPOMOFO": ("zh",),
    "CYRILLIC": ("ru", "uk", "bg"),
    "GREEK": ("el",),
    "ARABIC": ("ar", "fa", "ur"),
    "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne"),
    "BENGALI": ("bn",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "THAI": ("th",),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",),
}

# First words that are not a script: 々 is IDEOGRAPHIC, ー (long vowel) is KATAKANA-HIRAGANA.
_SAME_SCRIPT = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}


@lru_cache(maxsize=4096)
def script(char: str) -> str | None:
    """The script of a letter: the first word of its Unicode name (``LATIN``, ``CJK``). None for other characters.

    Styled letters (𝐀, ª, ʰ, Ａ) have the script of their compatibility equivalent.
    """
    plain = unicodedata.normalize("NFKC", char)[0]
    if not unicodedata.category(plain).startswith("L"):
        return None
    word = unicodedata.name(plain, "UNKNOWN").split(" ", 1)[0]
    return _SAME_SCRIPT.get(word, word)


def require_scripts(text: str, known: Collection[str], engine: str, symbols: Collection[str] = ()) -> None:
    """Refuse a text with letters of an unsupported script.

    :param known: supported scripts, as returned by :func:`script`; ``LATIN`` covers most European languages.
    :param symbols: scripts whose letters are supported singly, as in formulas, but not in words.
    :raises InvalidJob: names the first such letter, and the languages that use its script, if known.
    """
    scripts = [script(char) for char in text]
    for position, name in enumerate(scripts):
        if name is None or name in known:
            continue
        beside = (*scripts[max(0, position - 1) : position], *scripts[position + 1 : position + 2])
        if name in symbols and name not in beside:
            continue
        label = name if name == "CJK" else name.title()
        raise InvalidJob(
            f"{engine} cannot speak {text[position]!r} ({label} script, character {position + 1} of the text)",
            param="text",
            needs_languages=SCRIPT_LANGUAGES.get(name, ()),
        )


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The characters that an engine can speak. Punctuation and white space need not be in it.

    :param scripts: scripts whose letters it speaks, as in :func:`script`, e.g. ``LATIN``.
    :param characters: other letters, digits and signs that it speaks.
    """

    scripts: tuple[str, ...] = ()
    characters: str = ""

    def has(self, char: str) -> bool:
        """Whether the engine speaks a character, or it is not a letter, a digit or a sign."""
        if unicodedata.category(char)[0] in "PZCM" and char not in SPOKEN_PUNCTUATION:
            return True
        return char in self.characters or script(char) in self.scripts


SPOKEN_PUNCTUATION = frozenset("#%&*/@\\＃％＆＊／＠＼§¶†‡•")
"""Punctuation in Unicode that is spoken as a word."""


_CLAUSE_ENDS = (", ", "; ", ": ", "— ", " – ", "，", "、", "；", "：")


def split_at(text: str, start: int, end: int, max_chars: int) -> list[tuple[int, int]]:
    """Split ``text[start:end]`` into consecutive spans of at most ``max_chars`` characters.

    A span ends after clause punctuation if there is some in its second half, else at a space, else anywhere.
    """
    spans = []
    while end - start > max_chars:
        window = text[start : start + max_chars]
        cut = max(window.rfind(mark) + len(mark) for mark in _CLAUSE_ENDS)
        if cut <= max_chars // 2:
            cut = window.rfind(" ") + 1 or max_chars
        spans.append((start, start + cut))
        start += cut
    spans.append((start, end))
    return spans
