"""Rules of a language's normalizer, and the order in which they claim parts of a text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from gateway.text.mapped_text import Edit

CATEGORIES: dict[str, str] = {
    "abbreviation": "Dr., e.g., No. 5",
    "address": "URLs, e-mail and IP addresses, file names, @names and #hashtags",
    "cardinal": "1,234 and 3.14",
    "code": "versions, model names and other mixtures of letters and digits",
    "currency": "$5.99, 5,99 €",
    "date": "2024-05-17, May 5th, 1990s",
    "emoji": "pictographs, which are not spoken",
    "fraction": "1/2, ½",
    "math": "+, =, ≥, x²",
    "ordinal": "21st, 3.",
    "percent": "15.3 %",
    "phone": "phone numbers",
    "range": "10-12",
    "roman": "Louis XIV",
    "sign": "other signs: &, ©, §",
    "time": "14:30, 9am",
    "unit": "5 km/h, 20 °C",
}
"""The categories of normalization, with examples. A request may turn each of them off."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of written text and how it is read.

    :param category: one of :data:`CATEGORIES`.
    :param pattern: takes time linear in the text.
    :param read: returns the words to speak for a match; None: the match is not of this kind.
    :param needs: characters of which every match has at least one, so that a text without them is not searched; empty:
        every text is.
    """

    category: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], str | None]
    needs: frozenset[str] = frozenset()


class Language(Protocol):
    """One language's normalizer, which several threads may use at once.

    :ivar rules: an earlier rule takes precedence.
    """

    rules: Sequence[Rule]

    def read_rest(self, text: str) -> list[Edit]:
        """Read the digits and signs that no rule has claimed, in a part of a sentence.

        :returns: edits of ``text``, in order, without overlaps.
        """


def find_edits(
    text: str, start: int, end: int, language: Language, categories: Collection[str], fixed: Sequence[Edit] = ()
) -> list[Edit]:
    """Return the edits of ``text[start:end]`` in order.

    :param categories: the categories to read. What belongs to another one stays as written; no rule reads parts of it.
    :param fixed: edits that take precedence over every rule; they are part of the result.
    """
    found = list(fixed)
    taken = bytearray(end - start)  # 1 for characters that are read, or stay as written
    for edit in fixed:
        taken[edit.start - start : edit.end - start] = b"\1" * (edit.end - edit.start)
    characters = frozenset(text[start:end])
    for rule in language.rules:
        if rule.needs and rule.needs.isdisjoint(characters):
            continue
        for match in rule.pattern.finditer(text, start, end):
            first, last = match.span()
            if first == last or 1 in taken[first - start : last - start]:
                continue
            if (spoken := rule.read(match)) is None:
                continue
            taken[first - start : last - start] = b"\1" * (last - first)
            if rule.category in categories:
                found.append(Edit(first, last, spoken, rule.category))
    for first, last in _free_parts(text, start, end, taken):
        found += [
            Edit(first + edit.start, first + edit.end, edit.spoken, edit.category)
            for edit in language.read_rest(text[first:last])
            if edit.category in categories
        ]
    return sorted(found, key=lambda edit: edit.start)


_CLAUSE_END = re.compile(r"(?<=[,;:!?])\s+|(?<=[^\W\d_]{2}[.])\s+|(?<=[。，！？；])|\n")
# Digits, other numerals (², ½, Ⅳ, ①), and everything that is not a letter, white space or punctuation.
_NUMERALS = "\\d²³¹¼-¾⁰-₟⅐-↋①-⓿❶-➓㈠-㉉㊀-㊰"
_PUNCTUATION = ",;:.!?'\"()\\[\\]\\-–—…‘’“”«»¿¡。，！？；：、·「」『』（）《》【】〈〉"
_TO_READ = re.compile(f"[{_NUMERALS}]|[^\\w\\s{_PUNCTUATION}]")


def _free_parts(text: str, start: int, end: int, taken: bytearray) -> Iterator[tuple[int, int]]:
    """Spans between the edits, cut at the ends of clauses, that have something left to read."""
    clause_ends = [match.end() for match in _CLAUSE_END.finditer(text, start, end)]
    for free in re.finditer(rb"\0+", taken):
        first, last = start + free.start(), start + free.end()
        cuts = [first, *clause_ends[bisect_right(clause_ends, first) : bisect_left(clause_ends, last)], last]
        yield from (span for span in pairwise(cuts) if _TO_READ.search(text, *span))
