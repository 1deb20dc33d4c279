"""The golden table of text normalization."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits

FOLDER = Path(__file__).parents[1] / "text/golden"


class Row(NamedTuple):
    """A written text and its spoken form."""

    category: str
    written: str
    spoken: str


def rows(language: str) -> list[Row]:
    """The rows of a language, by the name of its file."""
    with (FOLDER / f"{language}.tsv").open(encoding="utf-8", newline="") as file:
        return [Row(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def spread(language: str, count: int) -> list[Row]:
    """Rows of every part of a table, always the same ones."""
    every = rows(language)
    return [every[index * len(every) // count] for index in range(count)]


def as_spoken(text: str) -> str:
    """An English transcript with its numbers in words; recognizers write figures."""
    return MappedText.of(text).apply(normalization_edits(text, "en", frozenset(CATEGORIES))).text
