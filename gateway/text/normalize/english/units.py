"""Quantities with a unit, degrees, sizes and percentages."""

from __future__ import annotations

import re

from gateway.text.normalize.english.signs import in_equation
from gateway.text.normalize.english.unit_names import PER, UNITS
from gateway.text.normalize.english.words import (
    NUMBER,
    SCALES,
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
_NOT_AFTER_SPACE = {"t", "in", "MP"}  # "3 A students", "5 in a row"


_ALWAYS = any_of(set(UNITS) - _NOT_AFTER_SPACE)
_TIGHT = any_of(_NOT_AFTER_SPACE)
_SPENT = re.compile(
    rf"{START}(?P<hours>\d{{1,3}})h{SPACE}?(?P<minutes>\d{{1,2}})m(?:in)?(?:{SPACE}?(?P<seconds>\d{{1,2}})s(?:ec)?)?(?!\w)"
)
_FRACTION_OF_INCH = re.compile(r"(?:(?<=/\d)|(?<=/\d\d))[\"″](?=\s[a-z])|(?<=[½¼¾])[\"″]")
_UNIT = re.compile(
    rf"{SIGN}{START}(?<!\W[A-Z][a-z]-)(?P<number>{NUMBER})(?P<scale>{SPACE}(?:[mb]illion|thousand){SPACE}|[kM]{SPACE})?"
    rf"(?:(?P<gap>[-\s]?)(?P<unit>{_SQUARED}|{_ALWAYS})|{SPACE}(?P<inch>in)(?=\s?[=,;)]|\.?\s*$)|(?P<tight>{_TIGHT}))"
    rf"(?:/(?P<per>[A-Za-z]{{1,10}}[²³]?))?(?P<period>\.(?=\s+[a-z(]|[,;]))?(?![\w°^]|/\w)"
)


def _names(symbol: str) -> tuple[str, str]:
    if symbol in UNITS:
        return UNITS[symbol]
    one, many = UNITS[symbol.rstrip("²³23^")]
    power = _POWERS[symbol[-1]]
    return f"{power} {one}", f"{power} {many}"


def _per(symbol: str) -> str:
    if symbol[-1] not in _POWERS or (unit := symbol[:-1]) not in UNITS:
        return PER.get(symbol, symbol)
    if unit in ("s", "sec", "min", "h", "hr"):  # an acceleration
        return f"{PER[unit]} {'squared' if _POWERS[symbol[-1]] == 'square' else 'cubed'}"
    return _names(symbol)[0]


def _read_unit(match: re.Match[str]) -> str | None:
    one, many = _names(match["unit"] or match["tight"] or match["inch"])
    if match["gap"] == "\n":
        return None
    scale = SCALES[match["scale"].strip().lower()] if match["scale"] else ""
    singular = match["number"] == "1" or match["gap"] == "-" or is_adjective(match)
    read = f"{sign_words(match['sign'])}{number(match['number'])} {scale} {one if singular else many}"
    if per := match["per"]:
        read += f" per {_per(per)}"
    return re.sub(r"\s+", " ", read)


def _read_spent(match: re.Match[str]) -> str:
    names = {"hours": "hour", "minutes": "minute", "seconds": "second"}
    return " ".join(
        f"{number(str(int(written)))} {names[group] if int(written) == 1 else group}"
        for group, written in match.groupdict().items()
        if written
    )


_SCALE_NAMES = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin", "": ""}
_DEGREES = re.compile(
    rf"{SIGN}{START}(?P<number>{NUMBER})(?:{SPACE}?[°º˚](?:{SPACE}?(?P<scale>[CFK])\b)?|{SPACE}?(?P<one>[℃℉]))"
    rf"(?:{SPACE}?(?P<minutes>\d{{1,2}})['′’](?:{SPACE}?(?P<seconds>\d{{1,2}}(?:\.\d+)?)[\"″”])?)?(?:{SPACE}?(?P<side>[NSEW])\b)?"
)
_TURN = re.compile(r"[ -](?:angle|turn|view|rotation|video|spin|panorama|heat|weather|camera)")
_FAHRENHEIT = re.compile(rf"{SIGN}{START}(?P<number>\d{{1,4}}(?:\.\d)?)(?P<scale>[CF])(?!\w)")
_BEFORE_TEMPERATURE = re.compile(
    r"(?:\b(?:temperatures?|reach(?:ed|es|ing)?|hit|heat(?: it)? to|preheat to|around|below|above)\s|\d[CF] ?[/(]\s?)$",
    re.IGNORECASE,
)
_AFTER_TEMPERATURE = re.compile(r" ?[/(]\d{1,4}[CF]\b")
_SIDES = {"N": " north", "S": " south", "E": " east", "W": " west"}


def _read_temperature(match: re.Match[str]) -> str | None:
    if not (_BEFORE_TEMPERATURE.search(before(match)) or _AFTER_TEMPERATURE.match(after(match))):
        return None  # a seat, or a grade
    return f"{sign_words(match['sign'])}{number(match['number'])} degrees{_SCALE_NAMES[match['scale']]}"


def _read_degrees(match: re.Match[str]) -> str:
    scale = match["scale"] or {"℃": "C", "℉": "F"}.get(match["one"] or "", "")
    singular = match["number"] == "1" or is_adjective(match) or (not scale and _TURN.match(after(match)))
    word = "degree" if singular else "degrees"
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
    if match["prime"] == '"' and len(re.findall(r'(?<!\d)"', before(match, 200))) % 2:
        return None  # a closing quotation mark
    one, many = UNITS["in" if match["prime"] in '"″' else "ft"]
    return f"{number(match['number'])} {one if match['number'] == '1' or is_adjective(match) else many}"


_SIZE = re.compile(
    rf"{START}(?P<sizes>\d{{1,5}}(?:\.\d{{1,3}})?(?:(?:{SPACE}?[x×X]{SPACE}?)\d{{1,5}}(?:\.\d{{1,3}})?){{1,3}})"
    rf"(?:{SPACE}?(?P<unit>{_ALWAYS})(?!\w))?(?![\w^_]|[.,]\d)"
)
_X = re.compile(rf"(?<=[\w)\"'′″]){SPACE}x{SPACE}(?=[$€£¥(A-Z]|\d)")
_PER = re.compile(rf"(?<=\bper )(?P<unit>{any_of(symbol for symbol in PER if len(symbol) > 1)})(?!\w)")
_PER_PERIOD = re.compile(r"(?<=[a-z])/(?=(?:second|minute|hour|day|night|week|month|quarter|year|person|capita)\b)")
_RATE = re.compile(
    rf"(?<![\w/])(?P<unit>m|{any_of(symbol for symbol in UNITS if len(symbol) > 1 and symbol not in ('in', 'min'))})"
    r"/(?P<per>s|sec|min|h|hr|day|kg|L|ml|mL|dL|mol)(?![\w/])"
)
_FEET_AND_INCHES = re.compile(
    rf"(?<=\d){SPACE}?(?:ft|feet)\.?{SPACE}(?P<inches>\d{{1,2}}){SPACE}?in\b\.?(?!{SPACE}(?:a|the)\b)"
)
_TIMES = re.compile(
    rf"{SIGN}{START}(?P<number>{NUMBER})[x×](?P<per>/(?:day|week|month|year|wk|mo|yr|d))?(?![\w^²³])"
    rf"|(?<!\w)[x×](?!86|64)(?P<after>{NUMBER})(?!\w)"
)


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
    read = " by ".join(code_number(part) if names else number(part) for part in parts)
    return f"{read} {UNITS[match['unit']][1]}" if match["unit"] else read


def _read_times(match: re.Match[str]) -> str:
    if match["after"]:
        return f"times {number(match['after'])}"
    if match[0][-1] == "x" and (in_equation(match) or re.match(r"\s?[=+*<>≤≥-]|/[\d(]", after(match))):
        return f"{sign_words(match['sign'])}{number(match['number'])} x"  # algebra
    per = f" per {PER.get(match['per'][1:], match['per'][1:])}" if match["per"] else ""
    return f"{sign_words(match['sign'])}{number(match['number'])} times{per}"


_PERCENT = re.compile(rf"{SIGN}{START}(?P<number>{NUMBER}){SPACE}?(?P<sign_after>[%‰])(?!\w)")


def _read_percent(match: re.Match[str]) -> str:
    word = "percent" if match["sign_after"] == "%" else "per mille"
    return f"{sign_words(match['sign'])}{number(match['number'])} {word}"


RULES = (
    spaced("percent", _PERCENT, _read_percent, DIGITS),
    spaced("unit", _DEGREES, _read_degrees, DIGITS),
    spaced("unit", _FAHRENHEIT, _read_temperature, DIGITS),
    spaced("unit", _FEET, _read_feet, DIGITS),
    spaced("unit", _FEET_AND_INCHES, lambda match: f"feet {number(match['inches'])} inches", DIGITS),
    spaced("unit", _SPENT, _read_spent, DIGITS),
    spaced("unit", _FRACTION_OF_INCH, lambda _: "inch", '"″'),
    spaced("unit", _SIZE, _read_size, DIGITS),
    spaced("unit", _UNIT, _read_unit, DIGITS),
    spaced("unit", _PRIME, _read_prime, DIGITS),
    spaced("unit", _TIMES, _read_times, DIGITS),
    spaced("math", _X, lambda match: "times" if before(match, 1).isdecimal() else "by", DIGITS),
    spaced("unit", _PER, lambda match: PER[match["unit"]]),
    spaced("unit", _PER_PERIOD, lambda _: "per", "/"),
    spaced("unit", _RATE, lambda match: f"{UNITS[match['unit']][1]} per {PER[match['per']]}", "/"),
)
