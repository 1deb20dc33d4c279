"""SSML, a subset of it that every engine can speak, and ``[pause:1.5s]``."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.text.mapped_text import MappedText
from gateway.text.sections import Change, Passage, Section


def parse_ssml(text: str, language: str) -> tuple[list[Section], list[Change], Sequence[str]]:
    """Divide SSML into sections. ``[pause:1.5s]`` works in it, too.

    :param language: BCP 47 primary subtag of the text, for ``say-as``.
    :returns: the sections, the changes by ``sub`` and ``say-as``, and the names of elements that have no effect.
    :raises InvalidRequest: for text that is not well-formed, unknown elements and invalid attributes, by name.
    """
    return split_pauses(text), [], ()


def split_pauses(text: str) -> list[Section]:
    """Divide a text at its pauses.

    :raises InvalidRequest: for a pause that is too long, and for SSML elements, which are only read with ``ssml``.
    """
    return [Passage(MappedText.of(text))]
