"""Pronunciation dictionaries: words and how to respell them for speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.text.mapped_text import Edit


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A pronunciation dictionary.

    :param language: BCP 47 primary subtag of the texts that it applies to; None: all.
    :param voices: names of the voices that it applies to; empty: all.
    :param entries: respelling of each word or phrase.
    """

    name: str
    language: str | None
    voices: tuple[str, ...]
    entries: Mapping[str, str]


def lexicon_edits(text: str, lexicons: Sequence[Lexicon], language: str, voice: str) -> list[Edit]:
    """Return the edits of the dictionaries that apply, in order, with the category ``lexicon``."""
    return []
