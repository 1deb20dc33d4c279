"""The language of each part of a text, by script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from backends.text import SCRIPT_LANGUAGES, script

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])[”’」』）]*|\n+")
_LATIN = "en"  # the language of Latin letters in a text whose language has another script
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_CJK_OR_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_CHINESE_WORDS = re.compile("[我你您她们們这這吗嗎呢吧啊么麼很没沒]")
_GREEK_WORD = re.compile("[\u0370-\u03ff\u1f00-\u1fff]{2}")
_ASCII_WORD = re.compile(r"[!-~]+")
# Not units, currencies or names of models, which every language has: 25°C, 5kg, NT$500, GPT-4.
_PHRASE = re.compile(r"(?<![A-Za-z\d-])(?:[A-Za-z][a-z'’]{2,}|[A-Za-z][a-z]? [A-Za-z][a-z])(?![A-Za-z\d-])")


def language_runs(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, language) of consecutive parts that cover the text; each has one or more whole sentences.

    :param language: of the text, as a BCP 47 primary subtag. A sentence whose letters mostly have a script that it does
        not use is in the first language of :data:`backends.text.SCRIPT_LANGUAGES` that uses it. Chinese characters are
        Japanese in a sentence with kana, and in a text with kana if Japanese has them and the
        text's language is not Chinese.
    """
    cjk = "zh" if language == "zh" or not _is_japanese(text, language) else "ja"
    start, current = 0, language
    position = 0
    for end in (*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)):
        found = _sentence_language(text[position:end], language, cjk) or current
        if found != current and position > start:
            yield start, position, current
            start = position
        current = found
        position = end
    if start < len(text):
        yield start, len(text), current


def languages_of(passages: Iterable[tuple[str, str]]) -> list[str]:
    """The languages that texts are read in, the most characters first.

    :param passages: texts, each with its language as in :func:`language_runs`.
    """
    characters: Counter[str] = Counter()
    for text, language in passages:
        for start, end, found in language_runs(text, language):
            characters[found] += end - start
    return [language for language, _ in characters.most_common()]


def _sentence_language(sentence: str, language: str, cjk: str) -> str | None:
    """The language of a sentence; None if it has no words.

    :param cjk: the language of Chinese characters without kana.
    """
    if sentence.isascii() and language not in _OTHER_SCRIPTS:
        return language if any(map(str.isalpha, sentence)) else None
    characters = len(_CJK_OR_KANA.findall(sentence)) * (3 if language in ("zh", "ja") else 1)
    if characters and characters >= sum(any(map(str.isalpha, word)) for word in _ASCII_WORD.findall(sentence)):
        if _is_japanese(sentence, language):
            return "ja"
        return cjk if cjk == "zh" or _has_japanese_characters(sentence) else "zh"
    scripts = Counter(name for char in sentence if (name := script(char)))
    if not scripts:
        return None
    [(name, _)] = scripts.most_common(1)
    if name == "LATIN":
        if language not in _OTHER_SCRIPTS:
            return language
        return _LATIN if _PHRASE.search(sentence) else None
    if name == "GREEK" and not _GREEK_WORD.search(sentence):
        return None  # a formula
    languages = SCRIPT_LANGUAGES.get(name, ())
    return language if language in languages or not languages else languages[0]


def _is_japanese(text: str, language: str) -> bool:
    """Whether a text's kana are more than those in a name, which Chinese has, too."""
    kana = len(_KANA.findall(text))
    share = {"ja": 0.0, "zh": 1 / 3}.get(language, 1 / 8)
    return language == "ja" or (kana > 0 and kana >= share * len(_CJK_OR_KANA.findall(text)))


def _has_japanese_characters(sentence: str) -> bool:
    """Whether Japanese has all Chinese characters of a sentence, and none of them is a word of Chinese only."""
    if _CHINESE_WORDS.search(sentence):
        return False
    characters = "".join(_CJK_OR_KANA.findall(sentence))
    return len(characters.encode("cp932", "ignore")) == 2 * len(characters)


_OTHER_SCRIPTS = frozenset(language for languages in SCRIPT_LANGUAGES.values() for language in languages)
