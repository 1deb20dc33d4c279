"""Text normalization: numbers, dates, prices, addresses and signs become the words that a reader would say.

Each language has rules, most specific first; the remaining digits and signs are read one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize.languages import language_for
from gateway.text.normalize.rules import CATEGORIES, find_edits
from gateway.text.normalize.scripts import language_runs

__all__ = ["CATEGORIES", "normalization_edits"]


def normalization_edits(
    text: str, language: str, categories: Collection[str], fixed: Sequence[Edit] = ()
) -> list[Edit]:
    """Return the edits that make a text speakable, in order.

    The language is chosen sentence by sentence: a sentence in the script of another language is read in that one. Takes
    time linear in the text.

    :param language: of the text, as a BCP 47 primary subtag; decides for scripts that it uses.
    :param categories: those of :data:`CATEGORIES` that apply.
    :param fixed: edits that take precedence, e.g. of a pronunciation dictionary; they are part of the result.
    """
    if not categories:
        return list(fixed)
    found: list[Edit] = []
    for start, end, spoken in language_runs(text, language):
        own = [edit for edit in fixed if start <= edit.start < end]
        normalizer = language_for(spoken)
        found += own if normalizer is None else find_edits(text, start, end, normalizer, categories, own)
    return found
