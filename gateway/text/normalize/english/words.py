"""English number words, and the patterns of written numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.text.normalize.numbers import MAX_DIGITS, cardinal, digits, ordinal, year

START = r"(?<![\w^])(?<!\d\.)(?<!\W[A-Z]-)(?<!^[A-Z]-)(?<!\^[-−])"
"""Before the first character of a number."""
NUMBER = r"(?:\d{1,3}(?:,\d{3}(?!\d))+(?:\.\d+)?|\d{1,3}(?:[ \xa0\u202f]\d{3}(?!\d)){2,}"
NUMBER += r"|\d{1,3}(?:[\xa0\u202f]\d{3}| 000)(?!\d)|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
"""1,234.5 or 1234.5 or 1 234 567 or .5"""
SIGN = r"(?=[-−–+±~≈.\d])(?:(?<![\w)\]^%°\"'”’])(?P<sign>[-−–+±~≈])(?=\.?\d))?"
"""An optional sign before a number; the look-ahead makes it fast where there is neither."""
SPACE = r"[ \xa0\u202f]"
SCALES = {
    "thousand": "thousand",
    "million": "million",
    "billion": "billion",
    "trillion": "trillion",
    "lakh": "lakh",
    "crore": "crore",
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "b": "billion",
    "bn": "billion",
    "t": "trillion",
    "tn": "trillion",
}
_SIGNS = {
    "-": "minus ",
    "−": "minus ",
    "–": "minus ",
    "+": "plus ",
    "±": "plus or minus ",
    "~": "about ",
    "≈": "about ",
}


def any_of(words: Iterable[str]) -> str:
    """A pattern of any of some words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def sign_words(sign: str | None) -> str:
    """The words for a number's sign, with a space after them."""
    return _SIGNS[sign] if sign else ""


def integer(written: str) -> str:
    """A whole number; digit by digit if it has leading zeros or is very long."""
    if len(written) > MAX_DIGITS or (len(written) > 1 and written[0] == "0"):
        return digits(written, "en")
    return cardinal(int(written), "en")


def number(written: str) -> str:
    """A number that matches :data:`NUMBER`."""
    whole, point, fraction = re.sub(r"[,\s]", "", written).partition(".")
    words = integer(whole) if whole else ""
    return f"{words} point {digits(fraction, 'en')}".strip() if point else words


def code_number(written: str) -> str:
    """A number that is a name, in pairs of digits: 4090 is ``forty ninety``, 404 is ``four oh four``."""
    if len(written) > 4:
        return digits(written, "en")
    if len(written) < 3 or written[0] == "0" or written[1:3] == "00":
        return integer(written)
    if written.endswith("00"):
        return f"{integer(written[:-2])} hundred"
    return f"{integer(written[:-2])} {_pair(written[-2:])}"


def year_words(written: str) -> str:
    """A year."""
    return year(int(written), "en").replace("oh-", "oh ")


def _pair(written: str) -> str:
    return f"oh {integer(written[1])}" if written[0] == "0" else integer(written)


def minutes(written: str) -> str:
    """Minutes after an hour: ``oh five``, ``thirty``."""
    return _pair(written)


def ordinal_words(written: str) -> str:
    """An ordinal number, e.g. ``twenty first``."""
    return ordinal(int(written.replace(",", "")), "en")


def plural(word: str) -> str:
    """The plural of a number word."""
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")


def before(match: re.Match[str], length: int = 24) -> str:
    """The text before a match."""
    return match.string[max(0, match.start() - length) : match.start()]


def after(match: re.Match[str], length: int = 24) -> str:
    """The text after a match."""
    return match.string[match.end() : match.end() + length]


_ARTICLE = re.compile(r"\b(?:an?|the|this|that|another|per|each|its|their) $", re.IGNORECASE)
_NOUN = re.compile(
    r"-[a-z]| (?!(?:and|or|to|per|in|for|on|of|is|was|a|each|from|at|by|with|than|he|she|it|they|we|you|I|who|which"
    r"|that|into|plus|minus|times|off|more|less)\b)[A-Za-z]{2}"
)


def is_adjective(match: re.Match[str]) -> bool:
    """Whether a quantity stands before a noun, as in "a $5 bill", and has its unit in the singular."""
    return _NOUN.match(after(match)) is not None and (
        _ARTICLE.search(before(match, 9)) is not None or after(match, 1) == "-"
    )


def ends_sentence(match: re.Match[str]) -> bool:
    """Whether the period of an abbreviation ends a sentence, too: nothing or a capital follows."""
    return _SENTENCE_START.match(after(match)) is not None


_SENTENCE_START = re.compile(
    r"[\"'”’)\]]{0,2}(?:\s*$|\s*\n|\s+(?![A-Z]{2}|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Jan|Feb|Mar|Apr|May|Jun|Jul"
    r"|Aug|Sep|Oct|Nov|Dec|Blvd|Ave|St\.|Rd)[\"'“‘(]?[A-Z])"
)
