"""The context of a rule's match, and Roman numerals. Each function takes constant time."""

from __future__ import annotations

import re

_WORDS_BEFORE = re.compile(r"(?:([^\W\d_]{1,30})[ \u00a0]{1,2})?([^\W\d_]{1,30})\.?[ \u00a0]{0,2}$")
_LISTED_BEFORE = re.compile(r"(?:\d{1,2}\.(?: ?(?:[-–]|und|bis|oder)|,) ?){1,4}$")
_WORD_AFTER = re.compile(r"[ \u00a0]([^\W\d_]{2,40})")
_REACH = 70


def words_before(match: re.Match[str]) -> tuple[str, str]:
    """The two words before a match, the nearer one last; "" where other characters are between.

    In "am 1. und 2. Mai", the word before 2. is am.
    """
    before = _LISTED_BEFORE.sub("", match.string[max(0, match.start() - _REACH) : match.start()])
    found = _WORDS_BEFORE.search(before)
    return (found[1] or "", found[2]) if found else ("", "")


def word_before(match: re.Match[str]) -> str:
    """The word before a match, in lower case."""
    return words_before(match)[1].lower()


def word_after(match: re.Match[str]) -> str:
    """The word after a match and a space; "" if another character follows."""
    found = _WORD_AFTER.match(match.string, match.end())
    return found[1] if found else ""


def ends_line(match: re.Match[str]) -> bool:
    """Whether the text or the line ends after a match."""
    return not match.string[match.end() : match.end() + 20].split("\n", 1)[0].strip()


def ends_sentence(match: re.Match[str]) -> bool:
    """Whether the text ends after a match, or a line, or goes on with a capital letter."""
    rest = match.string[match.end() : match.end() + 3]
    return not rest.strip() or rest[0] == "\n" or (rest[0].isspace() and rest.strip()[0].isupper())


ROMAN = r"(?<![\w.-])(?P<roman>(?=[IVX])X{0,3}(?:IX|IV|V?I{0,3}))(?![\w'’])"
"""A Roman numeral up to 39."""

_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10}


def roman_value(written: str) -> int:
    """The value of a Roman numeral."""
    values = [_ROMAN_DIGITS[char] for char in written]
    return sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )
