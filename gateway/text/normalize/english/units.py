"""Quantities with a unit, degrees, sizes and percentages."""

from __future__ import annotations

import re

from gateway.text.normalize.english.unit_names import PER, UNITS
from gateway.text.normalize.english.words import (
    NUMBER,
    SIGN,
    SPACE,
    START,
    after,
    any_of,
    before,
    code_number,
    is_adjective,
    number,
    sign_words,
)
from gateway.text.normalize.shared import DIGITS, spaced

_POWERS = {"²": "square", "2": "square", "³": "cubic", "3": "cubic"}
_SQUARED = r"(?:(?:km|cm|mm|dm|m|ft|in|mi|yd)(?:[²³]|\^?[23](?!\d)))"
_NOT_AFTER_SPACE = {"A", "N", "t", "in", "L", "J", "MP"}  # "3 A students", "5 in a row"


_ALWAYS = any_of(set(UNITS) - _NOT_AFTER_SPACE)
_TIGHT = any_of(_NOT_AFTER_SPACE)
_UNIT = re.compile(
    rf"{SIGN}{START}(?P<number>{NUMBER})(?P<scale>{SPACE}(?:[mb]illion|thousand){SPACE})?"
    rf"(?:(?P<gap>[-\s]?)(?P<unit>{_SQUARED}|{_ALWAYS})|(?P<tight>{_TIGHT}))"
    rf"(?:/(?P<per>[A-Za-z]{{1,10}}[²³]?))?(?P<period>\.(?=\s+[a-z(]|[,;]))?(?![\w°^]|/\w|-\d)"
)


def _names(symbol: str) -> tuple[str, str]:
    if symbol in UNITS:
        return UNITS[symbol]
    one, many = UNITS[symbol.rstrip("²³23^")]
    power = _POWERS[symbol[-1]]
    return f"{power} {one}", f"{power} {many}"


def _read_unit(match: re.Match[str]) -> str | None:
    one, many = _names(match["unit"] or match["tight"])
    if match["gap"] == "\n":
        return None
    singular = match["number"] == "1" or match["gap"] == "-" or is_adjective(match)
    read = f"{sign_words(match['sign'])}{number(match['number'])}{match['scale'] or ''} {one if singular else many}"
    if per := match["per"]:
        read += f" per {_names(per)[0] if per[-1] in '²³' and per[:-1] in UNITS else PER.get(per, per)}"
    return re.sub(r"\s+", " ", read)


_SCALE_NAMES = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin", "": ""}
_DEGREES = re.compile(
    rf"{SIGN}{START}(?P<number>{NUMBER})(?:{SPACE}?[°º˚]{SPACE}?(?P<scale>[CFK]\b)?|{SPACE}?(?P<one>[℃℉]))"
    rf"(?:(?P<minutes>\d{{1,2}})['′’](?:(?P<seconds>\d{{1,2}}(?:\.\d+)?)[\"″”])?)?(?:{SPACE}?(?P<side>[NSEW])\b)?"
)
_SIDES = {"N": " north", "S": " south", "E": " east", "W": " west"}


def _read_degrees(match: re.Match[str]) -> str:
    scale = match["scale"] or {"℃": "C", "℉": "F"}.get(match["one"] or "", "")
    word = "degree" if match["number"] == "1" or (after(match, 1) == "-" and after(match)[1:2].isalpha()) else "degrees"
    read = f"{sign_words(match['sign'])}{number(match['number'])} {word}{_SCALE_NAMES[scale]}"
    for group in ("minutes", "seconds"):
        if match[group]:
            read += f" {number(match[group])} {group}"
    return read + _SIDES.get(match["side"] or "", "")


_FEET = re.compile(r"(?<![\w.,'′’])(?P<feet>\d{1,2})['′’]\s?(?P<inches>\d{1,2}(?:\.\d{1,2})?)(?:\"|″|”|''|(?=\s|$))")
_PRIME = re.compile(
    rf"(?<!\w)(?P<number>\d{{1,3}}(?:\.\d{{1,3}})?)(?P<prime>[′″\"]|'(?={SPACE}(?:tall|wide|long|high|deep|x)\b))(?!\w)"
)


def _read_feet(match: re.Match[str]) -> str:
    return f"{number(match['feet'])} foot {number(match['inches'])}"


def _read_prime(match: re.Match[str]) -> str | None:
    if match["prime"] == '"' and before(match, 200).count('"') % 2:
        return None  # a closing quotation mark
    one, many = UNITS["in" if match["prime"] in '"″' else "ft"]
    return f"{number(match['number'])} {one if match['number'] == '1' else many}"


_SIZE = re.compile(
    rf"{START}(?P<sizes>\d{{1,5}}(?:\.\d{{1,3}})?(?:(?:{SPACE}?[x×X]{SPACE}?)\d{{1,5}}(?:\.\d{{1,3}})?){{1,3}})(?![\w^_]|[.,]\d)"
)
_X = re.compile(rf"(?<=[\d)]){SPACE}x{SPACE}(?=[$€£¥(]|\d)")
_TIMES = re.compile(rf"{SIGN}{START}(?P<number>{NUMBER})[x×](?![\w^²³])|(?<!\w)[x×](?P<after>{NUMBER})(?!\w)")


def _read_size(match: re.Match[str]) -> str | None:
    sizes = match["sizes"]
    if (
        " × " in sizes
        or (re.match(r"\s*[=+÷*/]", after(match)))
        or (" " in sizes and re.search(r"[=+÷*/]\s*$", before(match, 4)))
    ):
        return None
    parts = re.split(r"\s?[x×X]\s?", match["sizes"])
    names = all(part.isdecimal() and len(part) >= 3 for part in parts)
    return " by ".join(code_number(part) if names else number(part) for part in parts)


def _read_times(match: re.Match[str]) -> str:
    if match["after"]:
        return f"times {number(match['after'])}"
    return f"{sign_words(match['sign'])}{number(match['number'])} times"


_PERCENT = re.compile(rf"{SIGN}{START}(?P<number>{NUMBER}){SPACE}?(?P<sign_after>[%‰])(?!\w)")


def _read_percent(match: re.Match[str]) -> str:
    word = "percent" if match["sign_after"] == "%" else "per mille"
    return f"{sign_words(match['sign'])}{number(match['number'])} {word}"


RULES = (
    spaced("percent", _PERCENT, _read_percent, DIGITS),
    spaced("unit", _DEGREES, _read_degrees, DIGITS),
    spaced("unit", _FEET, _read_feet, DIGITS),
    spaced("unit", _SIZE, _read_size, DIGITS),
    spaced("unit", _UNIT, _read_unit, DIGITS),
    spaced("unit", _PRIME, _read_prime, DIGITS),
    spaced("unit", _TIMES, _read_times, DIGITS),
    spaced("math", _X, lambda _: "times", DIGITS),
    spaced("unit", re.compile(r"(?<![\w/])km/h(?!\w)"), lambda _: "kilometers per hour", "/"),
)
