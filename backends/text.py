"""Scripts of a text, so that an engine can refuse unsupported characters, and marks at which a text can be split."""

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
        raise cannot_speak(engine, text[position], position)


def cannot_speak(engine: str, char: str, position: int, param: str = "text") -> InvalidJob:
    """The refusal of a character, with the languages that use its script, if known.

    :param position: of the character in the text, from 0.
    :param param: name of the request's field.
    """
    name = script(char)
    described = unicodedata.name(char, f"U+{ord(char):04X}") if name is None else f"{_label(name)} script"
    return InvalidJob(
        f"{engine} cannot speak {char!r} ({described}, character {position + 1} of the text)",
        param=param,
        needs_languages=SCRIPT_LANGUAGES.get(name or "", ()),
    )


def _label(name: str) -> str:
    return name if name == "CJK" else name.title()


SPOKEN_PUNCTUATION = frozenset("#%&*/@\\＃％＆＊／＠＼§¶†‡•")
"""Characters that Unicode counts as punctuation and that are read as a word."""


def is_spoken(char: str) -> bool:
    """Whether a character is a letter, a digit or a sign, and so is missed if it is not spoken."""
    return unicodedata.category(char)[0] in "LNS" or char in SPOKEN_PUNCTUATION


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The characters that an engine can speak. Punctuation, white space and combining marks need not be in it.

    :param scripts: scripts whose letters it speaks, as in :func:`script`, e.g. ``LATIN``.
    :param characters: other letters, digits and signs that it speaks.
    :param markup: a regular expression of markup that it interprets; it takes time linear in the text.
    """

    scripts: tuple[str, ...] = ()
    characters: str = ""
    markup: str | None = None

    def has(self, char: str) -> bool:
        """Whether the engine speaks a character, or it is not a letter, a digit or a sign."""
        return not is_spoken(char) or char in self.characters or script(char) in self.scripts


# Marks that end a sentence or clause if white space follows: "3.5" and "10:30" are one word.
SENTENCE_MARKS = ".!?…"
CLAUSE_MARKS = ",;:—–"

# Marks that end a sentence or clause whatever follows.
STRONG_SENTENCE_MARKS = "。！？｡।॥۔؟။។"
STRONG_CLAUSE_MARKS = "，；：、،؛"

END_MARKS = SENTENCE_MARKS + CLAUSE_MARKS + STRONG_SENTENCE_MARKS + STRONG_CLAUSE_MARKS
"""All marks that end a sentence or clause."""

CLOSING_MARKS = "\"'”’»›)]}」』】）》〉］｝"
"""Quotation marks and brackets that belong to the sentence or clause before them."""

_CLAUSE_ENDS = (*(f"{mark} " for mark in CLAUSE_MARKS), *STRONG_CLAUSE_MARKS)


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
