"""Pronunciation dictionaries: words and how to respell them for speech."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from gateway.text.cleanup import cleanup_edits
from gateway.text.mapped_text import Edit, MappedText
from gateway.text.normalize.scripts import language_runs


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """A pronunciation dictionary. It is compared by identity, because indexes of it are cached.

    :param language: BCP 47 tag; it applies to texts with the same primary subtag. None: to all.
    :param voices: names of the voices that it applies to; empty: all.
    :param entries: respelling of each word or phrase. A word without upper-case letters matches any case.
    """

    name: str
    language: str | None
    voices: tuple[str, ...]
    entries: Mapping[str, str]


def lexicon_edits(text: str, lexicons: Sequence[Lexicon], language: str, voice: str) -> list[Edit]:
    """Return the edits of the dictionaries that apply, in order, with the category ``lexicon``.

    Of the entries that match at a position, the longest applies, then the one of the earlier dictionary. A sentence
    in the script of another language also uses the dictionaries of that language. Takes time linear in the text.

    :param text: after the clean-up of Unicode.
    :param language: of the text, as a BCP 47 primary subtag.
    :param voice: name of the voice.
    """
    key = voice.casefold()
    lexicons = [found for found in lexicons if not found.voices or key in map(str.casefold, found.voices)]
    if not lexicons:
        return []
    plain = text.translate(_PLAIN)
    folded = _lower(plain)
    edits: list[Edit] = []
    for start, end, spoken in language_runs(text, language):  # as the normalizer, whose parts no edit may cross
        if applicable := tuple(found for found in lexicons if _applies(found, (language, spoken))):
            edits += _matches(plain, folded, start, end, _index(applicable))
    return edits


def _applies(lexicon: Lexicon, languages: Sequence[str]) -> bool:
    return lexicon.language is None or lexicon.language.split("-", 1)[0].lower() in languages


# Characters that match each other. All have one character, so that matching keeps positions.
_PLAIN = str.maketrans(
    {char: " " for char in map(chr, range(0x3001)) if char.isspace()} | {"’": "'", "ʼ": "'", "‐": "-", "‑": "-"}
)


def _lower(text: str) -> str:
    """Lower case with every character in its place: those whose lower case is longer stay."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return lower.replace("ς", "σ")  # which of both it is depends on the next character


@dataclass(frozen=True, slots=True)
class _Index:
    """The entries of several dictionaries.

    :param entries: by lower-case word: the words that match only as written, or else None, with their respellings.
        An earlier one takes precedence.
    :param words: the lower-case words, sorted.
    :param shorter: for each word, the longest other one that it starts with.
    :param starts: first characters of the words.
    """

    entries: Mapping[str, Sequence[tuple[str | None, str]]]
    words: Sequence[str]
    shorter: Mapping[str, str | None]
    starts: Set[str]
    max_chars: int


@lru_cache(maxsize=32)
def _index(lexicons: tuple[Lexicon, ...]) -> _Index:
    entries: dict[str, list[tuple[str | None, str]]] = {}
    for lexicon in lexicons:
        words = ((_clean(word), spoken) for word, spoken in lexicon.entries.items())
        # Sorted: of "Polish" and "polish", the one that matches only as written takes precedence.
        for any_case, word, spoken in sorted((word == word.lower(), word, spoken) for word, spoken in words if word):
            entries.setdefault(_lower(word), []).append((None if any_case else word, spoken))
    ordered = sorted(entries)
    shorter: dict[str, str | None] = {}
    prefixes: list[str] = []
    for word in ordered:
        while prefixes and not word.startswith(prefixes[-1]):
            prefixes.pop()
        shorter[word] = prefixes[-1] if prefixes else None
        prefixes.append(word)
    return _Index(entries, ordered, shorter, {word[0] for word in ordered}, max(map(len, ordered), default=0))


def _clean(word: str) -> str:
    """A word as it is in a text that was cleaned up."""
    if not word.isascii():
        word = MappedText.of(word).apply(cleanup_edits(word)).text
    return " ".join(word.translate(_PLAIN).split())


def _matches(text: str, folded: str, start: int, end: int, index: _Index) -> Iterator[Edit]:
    position = start
    while position < end:
        stop = position + 1
        if folded[position] in index.starts and _starts_word(text, position):
            rest = folded[position : min(end, position + index.max_chars)]
            for length, spoken in _candidates(text, position, rest, index):
                if _ends_word(text, position + length):
                    stop = position + length
                    yield Edit(position, stop, _spaced(text, position, stop, spoken), "lexicon")
                    break
        position = stop


def _candidates(text: str, position: int, rest: str, index: _Index) -> Iterator[tuple[int, str]]:
    """Lengths and respellings of the words at a position, longest first.

    :param rest: of the lower-case text from there.
    """
    # Every word that the rest starts with is the last one up to it in the order, or a start of that one.
    at = bisect_right(index.words, rest)
    word = index.words[at - 1] if at else None
    while word is not None:
        if rest.startswith(word):
            for exact, spoken in index.entries[word]:
                if exact is None or text.startswith(exact, position):
                    yield len(word), spoken
                    break
        word = index.shorter[word]


# Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese, Yi: without spaces between words; Korean: with suffixes.
_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_JOINT = re.compile(r"(?<=\d)[.,:/](?=\d)")
_CONTRACTION = re.compile(r"(?<=[^\W\d_])'(?!s\b)(?=[^\W\d_])", re.IGNORECASE)


@lru_cache(maxsize=4096)
def _joins(char: str) -> bool:
    """Whether a character belongs to the same word as another such character next to it."""
    in_word = char == "_" or char.isalnum() or unicodedata.category(char)[0] == "M"
    return in_word and not _UNSPACED.match(char)


def _starts_word(text: str, at: int) -> bool:
    if not at:
        return True
    return not (_joins(text[at]) and _joins(text[at - 1])) and not (text[at].isdigit() and _JOINT.match(text, at - 1))


def _ends_word(text: str, at: int) -> bool:
    """Whether a word may end at a position: not inside of a number (``4|.5``) or a contraction (``can|'t``)."""
    if at == len(text):
        return True
    return not ((_joins(text[at - 1]) and _joins(text[at])) or _JOINT.match(text, at) or _CONTRACTION.match(text, at))


def _spaced(text: str, start: int, end: int, spoken: str) -> str:
    """A respelling with spaces where a sign separated the word from its neighbor, as in ``ASP.NET``."""
    before = " " if start and _joins(text[start - 1]) and _joins(spoken[0]) else ""
    after = " " if end < len(text) and _joins(text[end]) and _joins(spoken[-1]) else ""
    return f"{before}{spoken}{after}"
