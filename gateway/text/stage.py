"""The text stage: what is written in a request becomes what the engine speaks.

For every API, batch and live, in this order: SSML and pauses divide the text into sections; in each passage Unicode is
cleaned up, then the pronunciation dictionaries and the normalizer replace what is not spoken as written; last, every
character that the engine cannot speak is refused. Every spoken character keeps its place in the input.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from backends.base import Capabilities
from backends.text import Alphabet
from gateway.errors import InvalidRequest
from gateway.text.cleanup import cleanup_edits
from gateway.text.lexicon import Lexicon, lexicon_edits
from gateway.text.mapped_text import Edit, MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits
from gateway.text.sections import Change, Passage, PreparedText, Section
from gateway.text.ssml import parse_ssml, split_pauses


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


def prepare(
    text: str, options: TextOptions, capabilities: Capabilities, voice: str, param: str = "text"
) -> PreparedText:
    """Prepare a text for an engine. Takes a few milliseconds per thousand characters.

    :param voice: name of the voice, which selects entries of the pronunciation dictionaries.
    :param param: name of the request's field, for errors.
    :raises InvalidRequest: names the character that the engine cannot speak and its place, or the invalid markup.
    """
    language = primary_language(options.language, capabilities)
    categories = options.categories.difference(capabilities.normalizes)
    changes: list[Change] = []
    ignored: Sequence[str] = ()
    if options.ssml or (options.ssml is None and text.lstrip().startswith("<speak")):
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
        entries = lexicon_edits(clean.text, options.lexicons, spoken, section.voice or voice)
        read = _apply(clean, normalization_edits(clean.text, spoken, categories, entries), changes)
        if capabilities.alphabet is not None:
            require_alphabet(read, capabilities.alphabet, param)
        prepared.append(replace(section, text=read))
    changes.sort(key=lambda change: (change.start, change.end))
    return PreparedText(tuple(prepared), tuple(changes), tuple(ignored))


def primary_language(language: str | None, capabilities: Capabilities) -> str:
    """The primary subtag of a language, or else of the engine's first language."""
    return (language or (capabilities.languages or ("en",))[0]).split("-", 1)[0].lower()


def require_alphabet(text: MappedText, alphabet: Alphabet, param: str) -> None:
    """Refuse a text with a letter, digit or sign that the engine cannot speak.

    :raises InvalidRequest: names the first one and its place in the input.
    """
    unknown = {char for char in set(text.text) if not alphabet.has(char)}
    if not unknown:
        return
    at = next(index for index, char in enumerate(text.text) if char in unknown)
    start, _ = text.span(at, at + 1)
    char = text.text[at]
    name = unicodedata.name(char, "")
    described = f"{char!r} ({name})" if name else repr(char)
    raise InvalidRequest(f"the engine cannot speak {described}, at character {start + 1} of the text", param=param)


def _apply(text: MappedText, edits: Sequence[Edit], changes: list[Change]) -> MappedText:
    changes += [Change.of(edit, text) for edit in edits]
    return text.apply(edits)


def select_categories(normalize: bool | dict[str, bool]) -> frozenset[str]:
    """The categories that a request's ``normalize`` selects; an omitted one is selected.

    :raises InvalidRequest: names an unknown category.
    """
    if isinstance(normalize, bool):
        return frozenset(CATEGORIES) if normalize else frozenset()
    return frozenset(name for name in CATEGORIES if normalize.get(name, True)) if _known(normalize) else frozenset()


def _known(names: Collection[str]) -> bool:
    for name in names:
        if name not in CATEGORIES:
            known = ", ".join(CATEGORIES)
            raise InvalidRequest(f"unknown category {name!r}: must be one of {known}", param="normalize")
    return True
