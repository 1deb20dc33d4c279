"""Which stretch of a text is in which language: by tags, or by its characters.

``<jp>…</jp>`` (also ``zh``, ``en``) names a language; tags nest. ``<p:i3>`` is a phone as it is. Elsewhere a character
belongs to the current language if that is written with it, else to the first such in the order of preference; spaces,
punctuation and digits go with what is around them. Source: Fish-Speech v0.2.0 ``fish_speech/text/parser.py``, which
knows no inline phones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from backends.errors import InvalidJob
from backends.fish.v0_2.text.clean import clean_stretch, clean_text
from backends.fish.v0_2.text.symbols import LANGUAGES, PUNCTUATION

MARKUP = re.compile(r"</?[A-Za-z_]+>|<p:[^<>\n]*>")

_KANA = ((0x3040, 0x30FF), (0x31F0, 0x31FF))
_IDEOGRAPHS = (0x4E00, 0x9FFF)
_RANGES = {"zh": (_IDEOGRAPHS,), "jp": (_IDEOGRAPHS, *_KANA), "en": ((0x00, 0x7F),)}
_NEUTRAL = frozenset((" ", *"0123456789", *PUNCTUATION))

Order = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of clean text in one language, or a single phone.

    :param language: one of ``symbols.LANGUAGES``; None: ``text`` is the name of a phone.
    """

    language: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """How a text is read at some place: the tags that are open, and the language of the untagged text before it."""

    tags: tuple[str, ...] = ()
    language: str | None = None


def parse_order(order: str) -> Order:
    """Read a list of languages such as ``zh,jp,en``.

    :raises InvalidJob: it is empty, or names something else.
    """
    names = tuple(name.strip().lower() for name in order.split(","))
    for name in names:
        if name not in LANGUAGES:
            raise InvalidJob(f"{name!r} is not one of {', '.join(LANGUAGES)}", param="options.order")
    return names


def segments(text: str, order: Order) -> list[Segment]:
    """Clean a text and cut it where its language changes.

    :raises InvalidJob: tags that are unknown or do not match, or a character that no language of the order is written
        with.
    """
    found = []
    context = Context()
    for kind, part in _parts(clean_text(text)):
        if kind == "phone":
            found.append(Segment(None, part[3:-1]))
        elif kind == "tag":
            _check_tag(part, context)
            context = _follow_tag(part, context)
        elif not part.strip():
            continue
        elif context.tags:
            found.append(Segment(context.tags[-1].lower(), part))
        else:
            found += _untagged(part, context.language, order)
            context = replace(context, language=found[-1].language)
    return found


def resume(text: str, context: Context, order: Order) -> tuple[str, Context]:
    """Make a piece of a longer text read as it does there.

    :param text: raw text that follows what was read so far; its tags are whole.
    :returns: the piece with tags for what was open or in a carried-over language, and the context behind it.
    """
    if context.tags:
        piece = "".join(f"<{tag}>" for tag in context.tags) + text
    elif context.language and _first_language(text, order) not in (None, context.language):
        end = _end_of(context.language, text, order)
        piece = f"<{context.language}>{text[:end]}</{context.language}>{text[end:]}"
    else:
        piece = text
    for kind, part in _parts(text):
        if kind == "tag":
            context = _follow_tag(part, context)
        elif kind == "text" and not context.tags:
            language = context.language
            for char in part:
                language = _language(char, language, order) or language
            context = replace(context, language=language)
    return piece, context


def _parts(text: str) -> Iterator[tuple[Literal["text", "tag", "phone"], str]]:
    """The text in order, cut around its markup."""
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
            raise InvalidJob(f"the text has an unknown tag {tag}; there are {known} and <p:PHONE>", param="text")
    elif not context.tags:
        raise InvalidJob(f"the text closes {tag}, which was not opened", param="text")
    elif context.tags[-1] != tag[2:-1]:
        raise InvalidJob(f"the text closes {tag} where <{context.tags[-1]}> is open", param="text")


def _follow_tag(tag: str, context: Context) -> Context:
    """The context behind a tag, valid or not; a language is not carried across one."""
    return Context(context.tags[:-1] if tag.startswith("</") else (*context.tags, tag[1:-1]))


def _untagged(text: str, language: str | None, order: Order) -> Iterator[Segment]:
    start = 0
    for position, char in enumerate(text):
        found = _language(char, language, order)
        if found is None:
            listed = ",".join(order)
            raise InvalidJob(f"none of the languages {listed} is written with {char!r}", param="text")
        if language not in (None, found) and position > start:
            yield Segment(language, text[start:position])
            start = position
        language = found
    yield Segment(language, text[start:])


@lru_cache(maxsize=8192)
def _language(char: str, current: str | None, order: Order) -> str | None:
    """The language a raw or clean character is read in; None: in none of them, or it is not read."""
    char = clean_stretch(char)
    if not char:
        return None
    if char in _NEUTRAL:
        return current or order[0]
    for language in (current, *order) if current else order:
        if any(first <= ord(char) <= last for first, last in _RANGES[language]):
            return language
    return None


def _first_language(text: str, order: Order) -> str | None:
    """What a text on its own would begin in; None: with a tag, or with nothing."""
    for kind, part in _parts(text):
        if kind == "tag":
            return None
        for char in part.lstrip() if kind == "text" else "":
            if (language := _language(char, None, order)) is not None:
                return language
    return None


def _end_of(language: str, text: str, order: Order) -> int:
    """Where the stretch ends that goes on in a language."""
    end = 0
    for kind, part in _parts(text):
        if kind == "tag":
            return end
        for position, char in enumerate(part if kind == "text" else ""):
            if _language(char, language, order) not in (None, language):
                return end + position
        end += len(part)
    return end
