"""Versions, model names, identifiers and other mixtures of letters and digits."""

from __future__ import annotations

import re

from gateway.text.normalize.english.words import before, code_number, integer, number, plural
from gateway.text.normalize.numbers import digits
from gateway.text.normalize.shared import DIGITS, spaced

_SOFTWARE = re.compile(
    r"\b(?:Python|Java|Node|Ubuntu|Debian|Fedora|Alpine|macOS|iOS|Android|Windows|CUDA|PyTorch|TensorFlow|Chrome|Firefox"
    r"|Safari|Linux|[Kk]ernel|Rust|Go|Ruby|PHP|Swift|Kotlin|Django|React|Vue|Angular|Kubernetes|Docker|Postgres|PostgreSQL"
    r"|MySQL|Redis|Bluetooth|USB|HDMI|[Vv]ersion|[Rr]elease|[Ss]ection|[Cc]hapter|[Tt]able|[Ff]igure)\s$"
)
_RELEASE = re.compile(r"(?<![\w.])(?P<major>\d{1,4})\.(?P<minor>\d{1,3})(?!\w|[.,]\d)")
_PLACE = re.compile(
    r"\b(?:[Rr]oom|[Rr]oute|[Ff]light|[Hh]ighway|Hwy|Interstate|[Aa]rea|[Bb]us|[Tt]rain|[Ss]uite|[Aa]pt\.?|Boeing(?:['’]s)?|Airbus"
    r"|Porsche|Peugeot|[Ee]rror|[Ss]tatus|[Cc]ode|Box|[A-Z]{2,5})\s$"
)
_AIRCRAFT = re.compile(r"(?<=Boeing )(?P<first>\d{3})-(?P<second>\d{1,3})(?!\w)")
_STREET_WORD = (
    r"(?:St|Ave|Blvd|Rd|Dr|Ln|Ct|Pl|Hwy|Pkwy|Street|Avenue|Boulevard|Road|Drive|Lane|Court|Place|Highway|Parkway|Way"
    r"|Square)"
)
_HOUSE = re.compile(
    r"(?<![\w.,-])\d{3,4}(?=\s(?:[NSEW]\.?\s)?(?:[A-Z][\w'’.-]{0,20}\s|\d{1,3}(?:st|nd|rd|th)\s){1,3}"
    rf"{_STREET_WORD}\b)"
)
_SERIES = re.compile(r"(?<!\w)(?P<letter>[A-Z])(?P<first>\d{1,3})[-–](?P=letter)(?P<last>\d{1,3})(?![\w-])")
_NAME_NUMBER = re.compile(r"(?<![\w.,-])\d{3,4}(?!\w|[-.,:/%]\d|[%°$€£]|\s(?:million|billion|percent))")
_MIXED = re.compile(
    r"(?<!\w)(?<!\d[.,])(?:(?:[A-Z][A-Za-z]{0,19}-){1,2}(?=\d)|(?=[A-Za-z]{1,20}\d|\d{1,15}[A-Za-z]))[A-Za-z\d]{1,60}"
    r"(?:(?:-(?=[A-Z]{0,10}\d)|\.(?=\d)|(?<=\d)-(?=[A-Z]{1,3}(?!\w)))[A-Za-z\d]{1,60}){0,8}(?![^\W_])"
)
_MIXED_PART = re.compile(r"\d+(?:\.\d+)?|[A-Za-z]+")
_SNAKE = re.compile(r"(?<!\w)(?P<name>_{0,2}[A-Za-z\d]{1,40}(?:_{1,2}[A-Za-z\d]{1,40}){1,12}_{0,2})(?!\w)")
_SNAKE_PART = re.compile(r"_+|\d+|[A-Za-z]+")
_LINEAGE = re.compile(r"(?<![\w.])(?P<letter>[A-Z])(?P<numbers>(?:\.\d{1,4}){2,6})(?!\w)")
_HEXADECIMAL = re.compile(
    r"(?<![\w-])(?:(?:[\dA-Fa-f]{2}[:-]){5}[\dA-Fa-f]{2}|[\dA-Fa-f]{8}-(?:[\dA-Fa-f]{4}-){3}[\dA-Fa-f]{12})(?![\w-])"
)
_SUBSCRIPT = re.compile(r"[₀-₉]{1,15}")
_RETIREMENT = re.compile(
    r"(?<!\w)(?P<number>401|403|457|501)(?:\((?P<letter>[a-z])\)|(?P<plain>k)(?!\w))(?:\((?P<paragraph>\d)\))?"
)
_SHARP = re.compile(r"(?<!\w)(?P<letter>[A-GJ])(?P<sign>\+\+|#|♯|♭|[+-](?=[\s.,;!?)]|$))")
_DOTTED_NAME = re.compile(r"(?<!\S)\.(?=NET\b|[a-z]{2,12}\b)")
_SHARP_WORDS = {"-": "minus", "++": "plus plus", "#": "sharp", "♯": "sharp", "♭": "flat", "+": "plus"}


def _read_release(match: re.Match[str]) -> str | None:
    if not _SOFTWARE.search(before(match)):
        return None
    minor = match["minor"]
    return f"{integer(match['major'])} point {integer(minor) if minor[0] != '0' else digits(minor, 'en')}"


def _read_name_number(match: re.Match[str]) -> str | None:
    found = _PLACE.search(before(match))
    if not found or re.fullmatch(r"(?:19|20)\d\d", match[0]):
        return None
    return code_number(match[0])


def _read_series(match: re.Match[str]) -> str:
    letter = match["letter"]
    return f"{letter} {code_number(match['first'])} to {letter} {code_number(match['last'])}"


def _read_mixed(match: re.Match[str]) -> str | None:
    read: list[str] = []
    for part in _MIXED_PART.findall(match[0]):
        if part in ("s", "S") and read and read[-1][-1:].islower() and match[0].endswith("s"):
            read[-1] = plural(read[-1])
        elif part[0].isdigit():
            read.append(number(part) if "." in part else code_number(part))
        else:
            read.append(part)
    return " ".join(read)


def _read_snake(match: re.Match[str]) -> str:
    return " ".join(
        "underscore" if part[0] == "_" else code_number(part) if part.isdecimal() else part
        for part in _SNAKE_PART.findall(match["name"])
    )


def _read_retirement(match: re.Match[str]) -> str:
    read = f"{code_number(match['number'])} {match['letter'] or match['plain']}"
    return f"{read} {integer(match['paragraph'])}" if match["paragraph"] else read


def _read_lineage(match: re.Match[str]) -> str:
    return " dot ".join([match["letter"], *map(code_number, match["numbers"].strip(".").split("."))])


def _read_hexadecimal(match: re.Match[str]) -> str:
    groups = re.split("[:-]", match[0])
    return ", ".join(" ".join(integer(char) if char.isdecimal() else char for char in group) for group in groups)


def _read_subscript(match: re.Match[str]) -> str:
    return code_number("".join(str(ord(char) - 0x2080) for char in match[0]))


HEXADECIMAL_RULE = spaced("code", _HEXADECIMAL, _read_hexadecimal, DIGITS)
RULES = (
    spaced("code", _RELEASE, _read_release, DIGITS),
    spaced("code", _RETIREMENT, _read_retirement, DIGITS),
    spaced("code", _SHARP, lambda match: f"{match['letter']} {_SHARP_WORDS[match['sign']]}", "+-#♯♭"),
    spaced("code", _AIRCRAFT, lambda match: f"{code_number(match['first'])} {code_number(match['second'])}", DIGITS),
    spaced("code", _HOUSE, lambda match: code_number(match[0]), DIGITS),
    spaced("code", _SERIES, _read_series, DIGITS),
    spaced("code", _NAME_NUMBER, _read_name_number, DIGITS),
    spaced("code", _SNAKE, _read_snake, "_"),
    spaced("code", _MIXED, _read_mixed, DIGITS),
    spaced("code", _LINEAGE, _read_lineage, DIGITS),
    spaced("code", _SUBSCRIPT, _read_subscript, "₀₁₂₃₄₅₆₇₈₉"),
    spaced("code", _DOTTED_NAME, lambda _: "dot", "."),
)
