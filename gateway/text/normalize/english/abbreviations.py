"""Abbreviations, each only where it abbreviates: "no. 5", but not "The answer is no."."""

from __future__ import annotations

import re

from gateway.text.normalize.english.dates import MONTHS, month_name
from gateway.text.normalize.english.words import after, any_of, before, ends_sentence
from gateway.text.normalize.shared import DIGITS, spaced

_TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Ms",
    "Dr": "Doctor",
    "Drs": "Doctors",
    "Prof": "Professor",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Gen": "General",
    "Col": "Colonel",
    "Capt": "Captain",
    "Cmdr": "Commander",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Maj": "Major",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Pres": "President",
    "Supt": "Superintendent",
    "St": "Saint",
    "Mt": "Mount",
    "Ft": "Fort",
}
_STREETS = {
    "St": "Street",
    "Dr": "Drive",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "Ln": "Lane",
    "Ct": "Court",
    "Pl": "Place",
    "Sq": "Square",
    "Hwy": "Highway",
    "Pkwy": "Parkway",
}
_AFTER_NAMES = {
    "Jr": "Junior",
    "Sr": "Senior",
    "Inc": "Incorporated",
    "Corp": "Corporation",
    "Ltd": "Limited",
    "Co": "Company",
    "Bros": "Brothers",
}
_BEFORE_NUMBERS = {
    "no": "number",
    "nos": "numbers",
    "nr": "number",
    "№": "number",
    "vol": "volume",
    "vols": "volumes",
    "p": "page",
    "pp": "pages",
    "pg": "page",
    "ch": "chapter",
    "chap": "chapter",
    "fig": "figure",
    "figs": "figures",
    "eq": "equation",
    "sec": "section",
    "art": "article",
    "para": "paragraph",
    "ex": "example",
    "ver": "version",
    "ed": "edition",
    "ca": "circa",
    "c": "circa",
    "approx": "approximately",
    "est": "established",
    "apt": "apartment",
    "ste": "suite",
    "tel": "telephone",
    "ph": "phone",
    "ext": "extension",
    "max": "maximum",
    "min": "minimum",
    "avg": "average",
    "temp": "temperature",
    "op": "opus",
}
_ANYWHERE = {
    "e.g.": "for example",
    "eg.": "for example",
    "i.e.": "that is",
    "etc.": "et cetera",
    "etc": "et cetera",
    "et al.": "and others",
    "vs.": "versus",
    "vs": "versus",
    "a.k.a.": "also known as",
    "aka": "also known as",
    "approx.": "approximately",
    "w/o": "without",
    "w/": "with",
    "b/c": "because",
    "Ph.D.": "PhD",
    "dept.": "department",
    "Dept.": "Department",
    "govt.": "government",
    "Govt.": "Government",
    "Univ.": "University",
    "Assn.": "Association",
    "incl.": "including",
    "excl.": "excluding",
    "misc.": "miscellaneous",
    "esp.": "especially",
    "cf.": "compare",
    "viz.": "namely",
    "Ave.": "Avenue",
    "Blvd.": "Boulevard",
    "Hwy.": "Highway",
    "Esq.": "Esquire",
    "n/a": "not applicable",
    "N/A": "not applicable",
    "a.m.": "AM",
    "p.m.": "PM",
}

_AT_SENTENCE_END = {"etc.", "et al.", "a.m.", "p.m.", "Ph.D.", "dept.", "Dept.", "govt.", "Univ.", "Esq."}

_TITLE = re.compile(
    rf"\b(?P<title>{any_of(_TITLES)})(?:\.\s?|(?<=\bMr|\bDr|\bSt)\s|(?<=\bMrs)\s|(?<=\bProf)\s)(?=[A-Z]|and\s(?:Mrs|Ms|Mr|Dr)\.)"
)
_STREET = re.compile(rf"(?:(?<=[a-z.])|(?<=\d(?:st|nd|rd|th)))\s(?P<street>{any_of(_STREETS)})\b\.?")
_VERSUS = re.compile(r"(?<=[a-z])\sv\.\s(?=[A-Z])")
_AFTER_NAME = re.compile(rf"(?<=\w),?\s(?P<name>{any_of(_AFTER_NAMES)})\.")
_BEFORE_NUMBER = re.compile(
    rf"(?<![\w.])(?P<word>{any_of(_BEFORE_NUMBERS)})(?:\.\s?|(?<=№)\s?)(?=[#$€£~]?\d|[A-Z]{{1,4}}-?\d|(?:[IVX]{{2,5}}|[IVX](?=[.,;)]))(?!\w))",
    re.IGNORECASE,
)
_PLACE_NUMBER = re.compile(r"(?<![\w&#.])#\s?(?=\d|[A-Z]{1,6}-?\d)")
_HOUSE_SIDE = re.compile(r"(?<=\d)\s(?P<side>[NSEW]|NE|NW|SE|SW)\b\.?(?=\s(?:[A-Z][a-z]|\d))")
_SIDES = {"N": "North", "S": "South", "E": "East", "W": "West"}
_WORD = re.compile(rf"(?<![\w./])(?P<word>{any_of(_ANYWHERE)})(?!\w|\.\w)")
_MONTH = re.compile(
    rf"\b(?P<month>{any_of([m[:3] for m in MONTHS if m != 'May'] + ['Sept'])})(?:\.|(?=\s(?:19|20)\d\d\b))"
)
_BEFORE_MONTH = re.compile(
    r"\b(?:in|since|until|till|by|from|of|to|through|last|next|this|early|late|mid|before|after|and|or)[ -]$",
    re.IGNORECASE,
)
_SAINTLY_BEFORE = re.compile(
    r"\b(?:Mount|Mt\.|Fort|Port|Lake|Cape|East|West|North|South|San|Saint|The|In|At|From|To|And)$"
)
_NAME_BEFORE = re.compile(r"(?:\b[A-Z][\w’'-]*\.?|\d(?:st|nd|rd|th))$")


def _read_title(match: re.Match[str]) -> str | None:
    text_before = before(match).rstrip()
    street = match["title"] == "St" and _NAME_BEFORE.search(text_before) and not _SAINTLY_BEFORE.search(text_before)
    return None if street else _TITLES[match["title"]]


def _read_street(match: re.Match[str]) -> str | None:
    if not _NAME_BEFORE.search(before(match)) or (match[0][-1] != "." and not re.match(r"[,\n]|$", after(match))):
        return None
    return _STREETS[match["street"]] + _period(match)


def _read_after_name(match: re.Match[str]) -> str | None:
    if not _NAME_BEFORE.search(before(match)):
        return None
    return _AFTER_NAMES[match["name"]] + _period(match)


def _period(match: re.Match[str]) -> str:
    return "." if match[0].endswith(".") and ends_sentence(match) else ""


def _read_before_number(match: re.Match[str]) -> str | None:
    written = match["word"]
    words = _BEFORE_NUMBERS[written.lower()]
    return words.capitalize() if written[0].isupper() else words


def _read_word(match: re.Match[str]) -> str:
    written = match["word"]
    return _ANYWHERE[written] + (_period(match) if written in _AT_SENTENCE_END else "")


def _read_side(match: re.Match[str]) -> str:
    return " ".join(_SIDES[letter] for letter in match["side"])


def _read_month(match: re.Match[str]) -> str | None:
    in_context = _BEFORE_MONTH.search(before(match)) or re.match(r"\s\d", after(match))
    return month_name(match["month"]) + _period(match) if in_context else None


RULES = (
    spaced("abbreviation", _HOUSE_SIDE, _read_side, DIGITS),
    spaced("abbreviation", _TITLE, _read_title),
    spaced("abbreviation", _STREET, _read_street),
    spaced("abbreviation", _AFTER_NAME, _read_after_name, "."),
    spaced("abbreviation", _BEFORE_NUMBER, _read_before_number, ".№"),
    spaced("abbreviation", _PLACE_NUMBER, lambda _: "number", "#"),
    spaced("abbreviation", _VERSUS, lambda _: "versus", "."),
    spaced("abbreviation", _WORD, _read_word),
    spaced("abbreviation", _MONTH, _read_month, DIGITS + "."),
)
