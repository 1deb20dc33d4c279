"""Language detection by tags and characters.

``<jp>…</jp>`` (also ``zh``, ``en``) sets the language; tags nest. ``<p:i3>`` is a literal phone. Elsewhere, a character
belongs to the current language if that uses it, otherwise to the first language in the order of preference that does;
spaces, punctuation and digits belong to the current language. Source: Fish-Speech v0.2.0
``fish_speech/text/parser.py``, which has no inline phones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from backends.errors import InvalidJob
from backends.fish.v0_2.text.clean import clean_plain, clean_text
from backends.fish.v0_2.text.symbols import LANGUAGES, PUNCTUATION

MARKUP = re.compile(r"</?[A-Za-z_]+>|<p:[^<>\n]*>")

_KANA = ((0x3040, 0x30FF), (0x31F0, 0x31FF))
_IDEOGRAPHS = (0x4E00, 0x9FFF)
_RANGES = {"zh": (_IDEOGRAPHS,), "jp": (_IDEOGRAPHS, *_KANA), "en": ((0x00, 0x7F),)}
_NEUTRAL = frozenset((" ", *"0123456789", *PUNCTUATION))

Order = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LanguageSpan:
    """Clean text in one language, or a single phone.

    :param language: one of ``symbols.LANGUAGES``; None: ``text`` is the name of a phone.
    """

    language: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """State at a position of the text: the open tags, and the language of the untagged text before it."""

    tags: tuple[str, ...] = ()
    language: str | None = None


def parse_order(order: str) -> Order:
    """Parse a list of languages such as ``zh,jp,en``.

    :raises InvalidJob: if it is empty or contains another name.
    """
    names = tuple(name.strip().lower() for name in order.split(","))
    for name in names:
        if name not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise InvalidJob(f"unknown language {name!r}: must be a list of {known}", param="options.order")
    return names


def split_languages(text: str, order: Order) -> list[LanguageSpan]:
    """Clean a text and split it where the language changes.

    :raises InvalidJob: if a tag is unknown or unbalanced, or no language of ``order`` uses a character.
    """
    spans = []
    context = Context()
    for kind, part in _parts(clean_text(text)):
        if kind == "phone":
            spans.append(LanguageSpan(None, part[3:-1]))
        elif kind == "tag":
            _check_tag(part, context)
            context = _follow_tag(part, context)
        elif not part.strip():
            continue
        elif context.tags:
            spans.append(LanguageSpan(context.tags[-1].lower(), part))
        else:
            spans += _split_untagged(part, context.language, order)
            context = replace(context, language=spans[-1].language)
    return spans


def resume(text: str, context: Context, order: Order) -> tuple[str, Context]:
    """Tag a chunk of a longer text so that it is read as in that text.

    :param text: raw text; its tags are complete.
    :param context: the state at its start.
    :returns: the chunk with tags for open tags and a language that continues, and the state at its end.
    """
    if context.tags:
        chunk = "".join(f"<{tag}>" for tag in context.tags) + text
    elif context.language and _first_language(text, order) not in (None, context.language):
        end = _language_end(context.language, text, order)
        chunk = f"<{context.language}>{text[:end]}</{context.language}>{text[end:]}"
    else:
        chunk = text
    for kind, part in _parts(text):
        if kind == "tag":
            context = _follow_tag(part, context)
        elif kind == "text" and not context.tags:
            language = context.language
            for char in part:
                language = _language(char, language, order) or language
            context = replace(context, language=language)
    return chunk, context


def _parts(text: str) -> Iterator[tuple[Literal["text", "tag", "phone"], str]]:
    """Split a text into plain text and markup, in order."""
    position = 0
    for match in MARKUP.finditer(text):
        if match.start() > position:
            yield "text", text[position : match.start()]
        yield "phone" if match.group().startswith("<p:") else "tag", match.group()
        position = match.end()
    if position < len(text):
        yield "text", text[position:]


def _check_tag(tag: str, context: Context) -> None:
    if not tag.startswith("</"):
        if tag[1:-1].lower() not in LANGUAGES:
            known = ", ".join(f"<{name}>" for name in LANGUAGES)
            raise InvalidJob(f"contains the unknown tag {tag}: allowed are {known} and <p:PHONE>", param="text")
    elif not context.tags:
        raise InvalidJob(f"contains the closing tag {tag} without an opening tag", param="text")
    elif context.tags[-1] != tag[2:-1]:
        raise InvalidJob(f"contains the closing tag {tag} while <{context.tags[-1]}> is open", param="text")


def _follow_tag(tag: str, context: Context) -> Context:
    """The state after a tag, valid or not; the language of untagged text ends at it."""
    return Context(context.tags[:-1] if tag.startswith("</") else (*context.tags, tag[1:-1]))


def _split_untagged(text: str, language: str | None, order: Order) -> Iterator[LanguageSpan]:
    start = 0
    for position, char in enumerate(text):
        found = _language(char, language, order)
        if found is None:
            message = f"contains {char!r}, which none of the languages {','.join(order)} uses; change order"
            raise InvalidJob(message, param="text")
        if language not in (None, found) and position > start:
            yield LanguageSpan(language, text[start:position])
            start = position
        language = found
    yield LanguageSpan(language, text[start:])


@lru_cache(maxsize=8192)
def _language(char: str, current: str | None, order: Order) -> str | None:
    """The language of a raw or clean character; None if it has none, or is removed by cleaning."""
    char = clean_plain(char)
    if not char:
        return None
    if char in _NEUTRAL:
        return current or order[0]
    for language in (current, *order) if current else order:
        if any(first <= ord(char) <= last for first, last in _RANGES[language]):
            return language
    return None


def _first_language(text: str, order: Order) -> str | None:
    """The language that a text begins in without context; None if it begins with a tag, or is empty."""
    for kind, part in _parts(text):
        if kind == "tag":
            return None
        for char in part.lstrip() if kind == "text" else "":
            if (language := _language(char, None, order)) is not None:
                return language
    return None


def _language_end(language: str, text: str, order: Order) -> int:
    """The position up to which a text continues in a language."""
    end = 0
    for kind, part in _parts(text):
        if kind == "tag":
            return end
        for position, char in enumerate(part if kind == "text" else ""):
            if _language(char, language, order) not in (None, language):
                return end + position
        end += len(part)
    return end
