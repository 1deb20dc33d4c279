"""Letters of another script that look like those of the word: the Cyrillic а in ``pаypal``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.text.mapped_text import Edit

# Small Greek letters other than ο are symbols beside Latin letters: ρgh, hν.
_CYRILLIC = dict(zip("АВЕКМНОРСТУХІЈЅаеорсухіјѕһӏԁԛԝёїЁЇ", "ABEKMHOPCTYXIJSaeopcyxijshldqwëïËÏ", strict=True))
_GREEK = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True))
_TO_LATIN = {**_CYRILLIC, **_GREEK}
_RARE = frozenset("ЈЅјѕһӏԁԛԝ")  # in few of the languages that are written in Cyrillic
_TO_CYRILLIC = {latin: letter for letter, latin in _CYRILLIC.items() if letter not in _RARE}
_TO_GREEK = {latin: letter for letter, latin in _GREEK.items()}
_OTHER = re.compile("[\u0370-\u052f]")
_WORD = re.compile("[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u052f]{2,}")


def lookalike_edits(text: str) -> Iterator[Edit]:
    """Yield edits of letters that have another script than most letters of their word, if all of them look alike."""
    if text.isascii() or not _OTHER.search(text):
        return
    for word in _WORD.finditer(text):
        other = [letter for letter in word[0] if letter >= "\u0370"]
        latin = [letter for letter in word[0] if letter < "\u0370"]
        if not other or not latin:
            continue
        directions = [(other, _TO_LATIN), (latin, _TO_GREEK if other[0] < "\u0400" else _TO_CYRILLIC)]
        if len(other) > len(latin):
            directions.reverse()
        for letters, table in directions:
            if table.keys() >= (chosen := set(letters)):
                for at, letter in enumerate(word[0], word.start()):
                    if letter in chosen:
                        yield Edit(at, at + 1, table[letter], "cleanup")
                break
