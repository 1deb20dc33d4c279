"""The language of each part of a text, by script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from backends.text import SCRIPT_LANGUAGES, script

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])[”’」』）]*|\n+")
_LATIN = "en"  # the language of Latin letters in a text whose language has another script


def language_runs(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, language) of consecutive parts that cover the text; each has one or more whole sentences.

    :param language: of the text, as a BCP 47 primary subtag. A sentence whose letters mostly have a script that it does
        not use is in the first language of :data:`backends.text.SCRIPT_LANGUAGES` that uses it.
    """
    start, current = 0, language
    position = 0
    for end in (*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)):
        found = _sentence_language(text[position:end], language) or current
        if found != current and position > start:
            yield start, position, current
            start = position
        current = found
        position = end
    if start < len(text):
        yield start, len(text), current


def _sentence_language(sentence: str, language: str) -> str | None:
    """The language of a sentence; None if it has no letters."""
    if sentence.isascii() and language not in _OTHER_SCRIPTS:
        return language if any(map(str.isalpha, sentence)) else None
    scripts = Counter(name for char in sentence if char.isalpha() and (name := script(char)))  # not №
    if not scripts:
        return None
    if scripts["HIRAGANA"] or scripts["KATAKANA"]:
        return "ja"
    if cjk := scripts.pop("CJK", 0):  # a Latin word has more letters than its Chinese equivalent
        scripts["CJK"] = 3 * cjk
    [(name, _)] = scripts.most_common(1)
    if name == "LATIN":
        return _LATIN if language in _OTHER_SCRIPTS else language
    languages = SCRIPT_LANGUAGES.get(name, ())
    return language if language in languages or not languages else languages[0]


_OTHER_SCRIPTS = frozenset(language for languages in SCRIPT_LANGUAGES.values() for language in languages)
