"""The text stage: converts a request's text to words that the engine can speak.

For every API, batch and live, in this order: SSML and pauses divide the text into sections; in each passage Unicode is
cleaned up, then the pronunciation dictionaries and the normalizer replace numbers, signs and respelled words; last, the
characters that the engine cannot speak are found. Every spoken character keeps its place in the input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from backends.base import Capabilities
from backends.text import Alphabet
from gateway.errors import NothingToSpeak
from gateway.text.cleanup import cleanup_edits
from gateway.text.lexicon import Lexicon, lexicon_edits
from gateway.text.mapped_text import Edit, MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits
from gateway.text.sections import Change, Passage, PreparedText, Refusal, Section
from gateway.text.segments import has_speech
from gateway.text.ssml import parse_ssml, split_pauses, starts_as_ssml


@dataclass(frozen=True, slots=True)
class TextOptions:
    """A request's options for the text stage.

    :param language: BCP 47 tag; None: by the text's script, and the engine's first language for Latin letters.
    :param categories: the categories of normalization that apply.
    :param ssml: None: if the text starts with ``<speak``.
    :param lexicons: pronunciation dictionaries; an earlier one takes precedence.
    """

    language: str | None = None
    categories: frozenset[str] = frozenset(CATEGORIES)
    ssml: bool | None = None
    lexicons: Sequence[Lexicon] = field(default=())


MAX_REFUSED = 20  # enough to correct a text


def prepare(text: str, options: TextOptions, capabilities: Capabilities, voice: str = "") -> PreparedText:
    """Prepare a text for an engine. Takes a few milliseconds per thousand characters.

    :param voice: name of the voice, which selects entries of the pronunciation dictionaries.
    :raises InvalidRequest: for invalid markup, and for a text without anything to speak.
    """
    language = primary_language(options.language, capabilities)
    categories = options.categories.difference(capabilities.normalizes)
    alphabet = capabilities.alphabet or _ANY
    changes: list[Change] = []
    ignored: Sequence[str] = ()
    refused: list[Refusal] = []
    if options.ssml or (options.ssml is None and starts_as_ssml(text)):
        sections, changes, ignored = parse_ssml(text, language)
    else:
        sections = split_pauses(text)
    prepared: list[Section] = []
    for section in sections:
        if not isinstance(section, Passage):
            prepared.append(section)
            continue
        spoken = primary_language(section.language, capabilities) if section.language else language
        clean = _apply(section.text, cleanup_edits(section.text.text), changes)
        markup = [Edit(*found.span(), found[0], _MARKUP) for found in _markup(alphabet, clean.text)]
        words = _outside(lexicon_edits(clean.text, options.lexicons, spoken, section.voice or voice), markup)
        read = _apply(clean, normalization_edits(clean.text, spoken, categories, [*markup, *words]), changes)
        refused += _refused(read, alphabet, MAX_REFUSED - len(refused))
        if has_speech(read.text):
            prepared.append(replace(section, text=read, read_as=spoken))
    if not prepared:
        raise NothingToSpeak("has nothing to speak: it needs a letter or a digit", param="text")
    changes.sort(key=lambda change: (change.start, change.end))
    return PreparedText(tuple(prepared), tuple(changes), tuple(ignored), tuple(refused))


def primary_language(language: str | None, capabilities: Capabilities) -> str:
    """The primary subtag of a language, or else of the engine's first language."""
    return (language or (capabilities.languages or ("en",))[0]).split("-", 1)[0].lower()


def select_categories(normalize: bool | Mapping[str, bool]) -> frozenset[str]:
    """The categories that a request's ``normalize`` selects; an omitted one is selected."""
    if isinstance(normalize, bool):
        return frozenset(CATEGORIES) if normalize else frozenset()
    return frozenset(name for name in CATEGORIES if normalize.get(name, True))


_ANY = Alphabet(("*",))  # the engine itself refuses what it cannot speak
_MARKUP = "markup"


def _markup(alphabet: Alphabet, text: str) -> list[re.Match[str]]:
    return list(_compiled(alphabet.markup).finditer(text)) if alphabet.markup else []


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _outside(edits: Sequence[Edit], markup: Sequence[Edit]) -> list[Edit]:
    return [edit for edit in edits if not any(edit.start < own.end and own.start < edit.end for own in markup)]


def _refused(text: MappedText, alphabet: Alphabet, limit: int) -> list[Refusal]:
    """The first letters, digits and signs outside of markup that are not in the alphabet."""
    if alphabet is _ANY or all(map(alphabet.has, set(text.text))):
        return []
    found: list[Refusal] = []
    position = 0
    for start, end in (*(markup.span() for markup in _markup(alphabet, text.text)), (len(text), len(text))):
        for index in range(position, start):
            if len(found) < limit and not alphabet.has(char := text.text[index]):
                found.append(Refusal(char, text.span(index, index + 1)[0]))
        position = end
    return found


def _apply(text: MappedText, edits: Sequence[Edit], changes: list[Change]) -> MappedText:
    changes += [Change.of(edit, text) for edit in edits if edit.category != _MARKUP]
    return text.apply(edits)
