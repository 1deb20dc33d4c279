"""SSML, a subset of it that every engine can speak, and ``[pause:1.5s]``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.errors import InvalidRequest
from gateway.text.mapped_text import MappedText
from gateway.text.pauses import PauseLimits, divide, has_pause
from gateway.text.sections import Change, Passage, Section
from gateway.text.ssml.elements import SectionBuilder
from gateway.text.ssml.reader import read_xml

_SSML_START = re.compile(r"[\ufeff\s]*(?:<\?xml[^<>]{0,200}\?>\s*)?<speak[\s/>]")
# A name is followed by attributes, so that "a <s and t> b" and "<p:i3>", a mark of Fish-Speech, are text.
_TAG = re.compile(
    r"</?(?:speak|p|s|break|sub|say-as|prosody|lang|voice|emphasis|phoneme|mark|(?:amazon|mstts):[\w-]{1,40})"
    r"(?:\s{1,20}[\w:-]{1,40}\s{0,20}=[^<>]{0,2000}|\s{0,20})/?>",
    re.IGNORECASE,
)


def parse_ssml(text: str, language: str) -> tuple[list[Section], list[Change], Sequence[str]]:
    """Divide SSML into sections. ``[pause:1.5s]`` works in it, too.

    :param language: BCP 47 primary subtag of the text, for ``say-as``.
    :returns: the sections, the changes by ``sub`` and ``say-as``, and the names of elements that have no effect.
    :raises InvalidRequest: for text that is not well-formed, unknown elements and invalid attributes, by name.
    """
    builder = SectionBuilder(language)
    read_xml(text, builder)
    return builder.sections, builder.changes, tuple(builder.ignored)


def split_pauses(text: str) -> list[Section]:
    """Divide a text at its pauses.

    :raises InvalidRequest: for a pause that is too long, and for SSML elements, which are only read with ``ssml``.
    """
    if "<" in text and (tag := _TAG.search(text)):
        raise InvalidRequest(
            f"{tag[0]} at character {tag.start() + 1} is an SSML element: to use SSML, send `ssml: true` or begin the "
            "text with <speak>; otherwise remove it",
            param="text",
        )
    passage = Passage(MappedText.of(text))
    return list(divide(passage, PauseLimits())) if has_pause(text) else [passage]


def starts_as_ssml(text: str) -> bool:
    """Whether a text begins with a ``speak`` element; an XML declaration may precede it."""
    return _SSML_START.match(text) is not None
