"""Fractions, ranges, ordinal and cardinal numbers."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from gateway.text.normalize.english.dates import MONTH, read_date
from gateway.text.normalize.english.signs import in_equation
from gateway.text.normalize.english.unit_names import UNITS
from gateway.text.normalize.english.words import (
    NUMBER,
    SCALES,
    SIGN,
    SPACE,
    START,
    after,
    any_of,
    before,
    integer,
    number,
    ordinal_words,
    plural,
    sign_words,
)
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import DIGITS, spaced

_UNIT_AFTER = (
    rf"(?:{SPACE}?(?P<unit>{any_of(symbol for symbol in UNITS if len(symbol) > 1 and symbol != 'in')})(?!\w))?"
)
_SLASH = re.compile(
    rf"(?<![\w/.,])(?<![A-Za-z]-)(?:(?P<whole>\d{{1,3}})[ -])?(?P<num>\d{{1,5}}(?:\.\d{{1,2}})?)/(?P<den>\d{{1,5}})"
    rf"(?P<third>/365)?{_UNIT_AFTER}(?![\w/]|[.,]\d)"
)
_VULGAR = re.compile(rf"(?:(?<!\w)(?P<whole>\d{{1,6}}){SPACE}?)?(?P<vulgar>[¼-¾⅐-⅞]){_UNIT_AFTER}(?!\w)")
_PHRASES = {(24, 7): "twenty four seven", (9, 11): "nine eleven", (7, 11): "seven eleven", (20, 20): "twenty twenty"}
_DENOMINATORS = {*range(2, 11), 12, 16, 20, 32, 50, 64, 100, 1000}
_BEFORE_DATE = re.compile(
    r"\b(?:on|by|EOD|until|till|due|since|from|before|after|dated?|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Mon|Tue|Wed"
    r"|Thu|Fri|Sat|Sun),?:? $|(?<!\d)\d{1,2}/(?:1[3579]|2[1-9]|3[01])\s?[-–]\s?$",
    re.IGNORECASE,
)
_RATED = re.compile(r"\b(?:rate[ds]?|rating|scores?|scored|gave|give|got)\b[^.!?\n]{0,15}$", re.IGNORECASE)
_COUNTED = re.compile(r"\s(?:stars?|points?|[a-z]{3,15}s)\b")
_OF = re.compile(
    r"\s(?:of\b|inch|in\b|cups?|miles?|tsp|tbsp|teaspoon|tablespoon|second|hour|mile|pound|lb|oz|[a-z]{1,2}\b)"
)


def _read_slash(match: re.Match[str]) -> tuple[str, str] | None:
    """The kind of two numbers with a slash, and the words for them."""
    if "." in match["num"]:
        return "fraction", f"{number(match['num'])} out of {integer(match['den'])}{_unit(match, many=True)}"
    num, den = int(match["num"]), int(match["den"])
    text_after = after(match)
    if in_equation(match) and (num >= den or den not in _DENOMINATORS):
        return "math", f"{number(match['num'])} divided by {number(match['den'])}{_unit(match, many=True)}"
    if match["whole"] or match["unit"] or match["third"]:
        return _read_quantity(match, num, den)
    if (num, den) == (9, 11):
        return "date", "nine eleven"
    if _BEFORE_DATE.search(before(match)) and (date := read_date(None, num, den)):
        return "date", date
    if (num, den) in _PHRASES or num + den == 100:
        return "fraction", _PHRASES.get((num, den)) or f"{integer(match['num'])} {integer(match['den'])}"
    out_of = f"{integer(match['num'])} out of {integer(match['den'])}"
    rated = _RATED.search(before(match)) or (_COUNTED.match(text_after) and not _OF.match(text_after))
    if num <= den and (rated or (den in (10, 100) and not _OF.match(text_after))):
        return "fraction", out_of
    if den in _DENOMINATORS and 0 < num < 2 * den:
        return "fraction", _fraction(num, den)
    if den > 12 and (date := read_date(None, num, den)):
        return "date", date
    return "fraction", out_of if num < den else f"{integer(match['num'])} over {integer(match['den'])}"


def _read_quantity(match: re.Match[str], num: int, den: int) -> tuple[str, str] | None:
    """A mixed number, a fraction of a unit, or 24/7/365."""
    if match["third"]:
        return "fraction", f"{integer(match['num'])} {integer(match['den'])} three sixty five"
    if den not in _DENOMINATORS or num == 0:
        return None
    words = _fraction(num, den)
    if match["whole"]:
        words = f"{number(match['whole'])} and {words}"
    return "fraction", words + _unit(match)


def _unit(match: re.Match[str], many: bool = False) -> str:
    if not match["unit"]:
        return ""
    return f" {UNITS[match['unit']][many or match['whole'] is not None]}"


def _slash_rule(category: str) -> Rule:
    def read(match: re.Match[str]) -> str | None:
        found = _read_slash(match)
        return found[1] if found and found[0] == category else None

    return spaced(category, _SLASH, read, "/")


def _fraction(num: int, den: int) -> str:
    if den == 2:
        name = "half" if num == 1 else "halves"
    else:
        name = "quarter" if den == 4 else ordinal_words(str(den))
        name = name if num == 1 else name + "s"
    return f"{integer(str(num))} {name}"


def _read_vulgar(match: re.Match[str]) -> str:
    value = Fraction(unicodedata.numeric(match["vulgar"])).limit_denominator(10)
    if not match["whole"]:
        return _fraction(value.numerator, value.denominator) + _unit(match)
    words = _fraction(value.numerator, value.denominator)
    return f"{number(match['whole'])} and {'a half' if words == 'one half' else words}{_unit(match)}"


_RANGE = re.compile(rf"(?P<space>{SPACE}?)[-–—](?P=space)(?={MONTH}\b\.?\s\d|(?:[$€£¥~]|[A-Z]{{1,2}}\$)?\.?[\d½¼¾])")
_BEFORE_RANGE = re.compile(
    r"(?:[\d½¼¾](?:st|nd|rd|th)?|\d ?(?:%|‰|°[CF]?|[€£¢]|[ap]\.?m\.?|[kKmMbB]n?|[A-Za-z]{1,3}|million|billion))$",
    re.IGNORECASE,
)


def _read_range(match: re.Match[str]) -> str | None:
    text_before = before(match, 12)
    if not _BEFORE_RANGE.search(text_before) or in_equation(match) or (match["space"] and "—" in match[0]):
        return None
    if text_before.endswith("50") and after(match, 2) == "50":
        return " "
    return " to "


_ORDINAL = re.compile(
    rf"{START}(?P<number>\d{{1,3}}(?:,\d{{3}}){{1,4}}|\d{{1,12}})(?:st|nd|rd|th|ST|ND|RD|TH|ˢᵗ|ⁿᵈ|ʳᵈ|ᵗʰ)(?P<many>s)?(?!\w)"
)
_SCALED = re.compile(
    rf"{SIGN}{START}(?!40[13]k)(?P<number>{NUMBER})(?P<scale>k|M|{SPACE}?(?:bn|mn|tn))(?P<plus>\+(?![\w+(]|\s?\d))?(?!\w)"
)
_GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:\.\d{3}){2,4}(?![\w.])")
_CARDINAL = re.compile(rf"{SIGN}{START}(?P<number>{NUMBER})(?P<scale>)(?P<plus>\+(?![\w+(]|\s?\d))?")


def _read_ordinal(match: re.Match[str]) -> str:
    words = ordinal_words(match["number"])
    return plural(words) if match["many"] else words


def _read_cardinal(match: re.Match[str]) -> str:
    read = sign_words(match["sign"]) + number(match["number"])
    if scale := match["scale"]:
        read += f" {SCALES[scale.strip().lower()]}"
    return f"{read} plus" if match["plus"] else read


FRACTION_RULES = (
    *map(_slash_rule, ("math", "date", "fraction")),
    spaced("fraction", _VULGAR, _read_vulgar, "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"),
)
ORDINAL_RULE = spaced("ordinal", _ORDINAL, _read_ordinal, DIGITS)
RANGE_RULE = Rule("range", _RANGE, _read_range, frozenset("-–—"))
GROUPED_RULE = spaced("cardinal", _GROUPED, lambda match: number(match[0].replace(".", "")), DIGITS)
SCALED_RULE = spaced("cardinal", _SCALED, _read_cardinal, DIGITS)
CARDINAL_RULE = spaced("cardinal", _CARDINAL, _read_cardinal, DIGITS)
