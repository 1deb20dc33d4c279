"""Numbers in English words, in the style of g2p_en: years as two pairs of digits, no "and"."""

from __future__ import annotations

import re

LONGEST_NUMBER = 15  # digits; longer numbers are read digit by digit

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("thousand", "million", "billion", "trillion")
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_YEARS = range(1100, 3000)

_GROUPED = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])", re.ASCII)
_NUMBER = re.compile(r"(\d+)(?:\.(\d+)|(?:st|nd|rd|th)\b)?", re.ASCII | re.IGNORECASE)


def spell_numbers(text: str) -> str:
    """Replace every number, including ordinals and decimals, by words surrounded by spaces."""
    text = _GROUPED.sub(lambda match: match.group().replace(",", ""), text)
    return _NUMBER.sub(_spell, text)


def cardinal(number: int) -> str:
    """Return a number below 10**15 in words, with commas between groups of three digits."""
    rest, tail = divmod(number, 1000)
    words = _under_thousand(tail)
    for scale in _SCALES:
        rest, group = divmod(rest, 1000)
        if group:
            comma = "," if words and (tail >= 100 or scale != _SCALES[0]) else ""
            words = f"{_under_thousand(group)} {scale}{comma} {words}".strip()
    return words or _ONES[0]


def year(number: int) -> str:
    """Return a number of four digits as two pairs, where years are read so."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number).replace(",", "")  # two thousand nine
    if rest == 0:
        return f"{_under_thousand(century)} hundred"
    return f"{_under_thousand(century)} {'oh ' if rest < 10 else ''}{_under_thousand(rest)}"


def ordinal(number: int) -> str:
    """Return the ordinal of a number below 10**15."""
    before, space, last = cardinal(number).rpartition(" ")
    return before + space + (last[:-1] + "ieth" if last.endswith("y") else _IRREGULAR.get(last, last + "th"))


def _under_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10])
        rest %= 10
    if rest:
        words.append(_ONES[rest])
    return " ".join(words)


def _spell(match: re.Match[str]) -> str:
    whole, decimals = match.groups()
    if decimals is not None:
        words = f"{_spell_whole(whole)} point {_spell_digits(decimals)}"
    elif match.group() == whole:
        words = _spell_whole(whole, year_too=True)
    else:
        words = ordinal(int(whole)) if len(whole) <= LONGEST_NUMBER else _spell_digits(whole)
    return f" {words} "


def _spell_whole(digits: str, year_too: bool = False) -> str:
    if len(digits) > LONGEST_NUMBER:
        return _spell_digits(digits)
    number = int(digits)
    return year(number) if year_too and number in _YEARS else cardinal(number)


def _spell_digits(digits: str) -> str:
    return " ".join(_ONES[int(digit)] for digit in digits)
