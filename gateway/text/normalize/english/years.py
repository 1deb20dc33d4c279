"""Years and decades. The words beside a number decide whether it is a year or a count."""

from __future__ import annotations

import re

from gateway.text.normalize.english.dates import MONTH
from gateway.text.normalize.english.words import START, after, before, minutes, plural, year_words
from gateway.text.normalize.numbers import cardinal
from gateway.text.normalize.shared import DIGITS, spaced

_SEASON = re.compile(r"(?<![\w./-])(?P<first>(?:19|20)\d\d)/(?P<second>\d\d)(?![\w/]|\.\d)")
_SHORT_YEAR = re.compile(r"(?<!\w)['’](?P<year>\d\d)(?![\w'’\"])")
_BEFORE_SHORT_YEAR = re.compile(
    r"\b(?:of|in|since|the|until|till|to|from|by|and|class|summer|winter|spring|fall)\s$", re.IGNORECASE
)


def _read_short_year(match: re.Match[str]) -> str | None:
    return minutes(match["year"]) if _BEFORE_SHORT_YEAR.search(before(match)) else None


_DECADE = re.compile(r"(?:(?<!\w)['’‘])?(?<![\w.,])(?P<decade>(?:1[1-9]|20)\d0|[1-9]0)['’]?s\b")
_DECADE_CONTEXT = re.compile(
    r"\b(?:the|his|her|their|my|our|your|early|mid|late|low|high|upper|lower|and|to|of)[ -]$", re.IGNORECASE
)
_ROUND = re.compile(r"(?<![\w.,])(?P<number>10{2,6}|1,000|10,000|100,000|1,000,000)s(?= of\b)")
_ROUND_WORDS = {3: "hundreds", 4: "thousands", 5: "tens of thousands", 6: "hundreds of thousands", 7: "millions"}


def _read_decade(match: re.Match[str]) -> str | None:
    written = match["decade"]
    if len(written) == 2:
        in_context = match[0][0] in "'’‘" or _DECADE_CONTEXT.search(before(match))
        return plural(cardinal(int(written), "en")) if in_context else None
    if written == "2000":
        return "two thousands"
    century = cardinal(int(written[:2]), "en")
    return f"{century} {plural(cardinal(int(written[2:]), 'en')) if written[2] != '0' else 'hundreds'}"


_YEAR = re.compile(
    rf"{START}(?P<year>(?:1[1-9]|20)\d\d)(?!\w|[.,:]\d|/\d)|(?<=[A-Za-z]\s)(?P<early>10\d\d)(?!\w|[.,:/-]\d)"
)
_BEFORE_YEAR = re.compile(
    rf"(?:\b(?:in|since|until|till|by|from|of|during|before|after|year|early|late|mid|circa|ca\.?|c\.|the|this|last|next"
    rf"|spring|summer|autumn|fall|winter|back in|class of|{MONTH}\.?|[1-4])|[©'’])[ -]$|\($|\d{{4}}\s?[-–—]\s?$",
    re.IGNORECASE,
)
_SURE_BEFORE_YEAR = re.compile(
    rf"\b(?:the|since|year|early|late|mid|this|last|next|Q[1-4]|FY|H[12]|{MONTH}\.?)[ -]$", re.IGNORECASE
)
_BEFORE_COUNT = re.compile(
    r"\b(?:over|than|about|around|nearly|almost|some|only|exactly|least|most|approximately|roughly|all|these|those|another"
    r"|all of|page|room|number|no\.|total of|up to|like|every|per|times|plus|minus)\s$",
    re.IGNORECASE,
)
_PLURAL = re.compile(
    r" (?!(?:was|is|has|as|this|its|his|does|sees|across|versus|plus|always|perhaps|besides)\b)"
    r"(?:[a-z-]{2,20}s|(?:[a-z]{3,12} )?(?:people|men|women|children|percent|million|billion))\b"
)
_AFTER_YEAR = re.compile(r"\s?(?:BCE?|CE|AD)\b|\s?[-–—]\s?\d{4}(?!\d)")


def _read_year(match: re.Match[str]) -> str | None:
    written = match["year"] or match["early"]
    text_before, text_after = before(match), after(match)
    if _AFTER_YEAR.match(text_after):
        return year_words(written)
    if text_before.endswith("#") or _BEFORE_COUNT.search(text_before) or text_after.startswith(" of "):
        return None
    if _PLURAL.match(text_after) and not (written >= "1900" and _SURE_BEFORE_YEAR.search(text_before)):
        return None
    if written < "1900" and not _BEFORE_YEAR.search(text_before):
        return None
    return year_words(written)


def _read_season(match: re.Match[str]) -> str | None:
    first, second = match["first"], match["second"]
    return f"{year_words(first)} {minutes(second)}" if (int(first) + 1) % 100 == int(second) else None


RULES = (
    spaced("date", _SEASON, _read_season, DIGITS),
    spaced("date", _SHORT_YEAR, _read_short_year, DIGITS),
    spaced("date", _DECADE, _read_decade, DIGITS),
    spaced("cardinal", _ROUND, lambda match: _ROUND_WORDS[len(match["number"].replace(",", ""))], DIGITS),
)
YEAR_RULE = spaced("date", _YEAR, _read_year, DIGITS)
"""Reads years without a sign of one beside them, after all other rules of numbers."""
