"""Texts that engines misread, or dropped parts of, before there was a text stage."""

from __future__ import annotations

import pytest

from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("The answer is no.", "The answer is no."),
        ("I have 3 apples and 12 pears.", "I have three apples and twelve pears."),
        ("7", "seven"),
        ("It costs $5.99 today.", "It costs five dollars and ninety nine cents today."),
        (
            "It costs 5€, or €5,99. 10/2=5, 3*4=12, a≥b. Room 007, zip 02134, on 17.05.2024."
            " The server is 192.168.1.10.",
            "It costs five euros, or five euros and ninety nine cents. ten divided by two equals five, three times four"
            " equals twelve, a greater than or equal to b. Room zero zero seven, zip zero two one three four, on May"
            " seventeenth twenty twenty four. The server is one ninety two dot one sixty eight dot one dot ten.",
        ),
    ],
)
def test_text_is_spoken_in_full(written: str, spoken: str) -> None:
    edits = normalization_edits(written, "en", frozenset(CATEGORIES))
    assert MappedText.of(written).apply(edits).text == spoken
