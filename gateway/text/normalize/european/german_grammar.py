"""German agreement, ordinal numbers and Roman numerals.

Ordinal numbers have the ending that the article or preposition before them asks for. An ordinal without one is read
only before a month or a noun that is usually counted so, because a number and a period also end a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import (
    ROMAN,
    ends_sentence,
    roman_value,
    word_after,
    word_before,
    words_before,
)
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import listed
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("Januar Februar März April Mai Juni Juli August September Oktober November Dezember")

_WEAK = frozenset(
    listed(
        "am im vom zum beim dem den des seit ab bis zur einem einen eines einer jedem jeden diesem diesen meinem "
        "meinen seinem seinen ihrem ihren unserem unseren"
    )
)
_ARTICLES = frozenset(listed("der die das diese dieser dieses jede jeder jedes eine unsere seine ihre meine"))
_STRONG = frozenset(listed("an in aus mit von zu auf"))
_COUNTED_SO = (
    "Platz|Jahrhundert|Jh|Etage|Stock|OG|UG|Klasse|Auflage|Kapitel|Tag|Woche|Mal|Runde|Spieltag|Bundesliga|Liga"
    "|Weltkrieg|Advent|Geburtstag|Semester|Quartal|Halbjahr|Halbzeit|Staffel|Folge|Teil|Versuch|Preis|Schritt|"
    "Minute|Person|Grad|Stelle|Hand"
)


def ordinal(number: int, before: str, noun: str = "") -> str:
    """An ordinal number, with the ending after an article or a preposition, or without one before a noun."""
    stem = numbers.ordinal(number, "de")
    if before in _WEAK:
        return stem + "n"
    if before in _STRONG:
        return stem + "r"
    if before in _ARTICLES or guess_gender(noun, number) == "f":
        return stem
    return stem + ("s" if noun in _NEUTER else "r")


_NEUTER = frozenset(listed("Jahrhundert Kapitel Mal Semester Quartal Halbjahr Geschoss Bild Spiel Buch Kind Jahr"))


def agree(words: str, number: int, gender: str) -> str:
    """Adapt the words of a number to the gender of what it counts."""
    if number != 1 or not gender:
        return words
    return "eine" if gender == "f" else "ein"


_FEMININE = re.compile(r"(?:ung|heit|keit|schaft|ion|tät|ik|liga|ei|in|e)$")
_NOT_FEMININE = frozenset(
    listed("Name Junge Käse Kunde Kollege Ende Auge Interesse Termin Verein Stein Bein Wein Ei Code Service Bulle")
)
_FEMININE_WORDS = frozenset(listed("Nacht Person Uhr Frau Stadt Hand Wand Mail E-Mail Tür Wahl Zahl Million App Box"))


def guess_gender(word: str, number: int) -> str:
    """Guess the gender of a noun by its ending: f, or m for the others, which have the same article ein."""
    if not word[:1].isupper() or (word.isupper() and len(word) > 1):
        return ""
    feminine = word in _FEMININE_WORDS or (_FEMININE.search(word) and word not in _NOT_FEMININE)
    return "f" if feminine else "m"


def read_date(day: int, month: int, year: int | None, before: str) -> str:
    """Read a date, e.g. fünfter Mai, or fünften Mai after am."""
    words = f"{ordinal(day, before)} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {read_year(year)}"


def read_year(year: int) -> str:
    """Read a year, e.g. neunzehnhundertneunzig."""
    return numbers.year(year, "de") if 1100 <= year < 2000 else numbers.cardinal(year, "de")


def read_clock(hour: int, minute: int, before: str) -> str:
    """Read a time of day, e.g. vierzehn Uhr dreißig."""
    words = "ein Uhr" if hour == 1 else f"{numbers.cardinal(hour, 'de')} Uhr"
    return f"{words} {numbers.cardinal(minute, 'de')}" if minute else words


def read_regnal_number(number: int, name: str) -> str:
    """Read the number of a ruler without a period, e.g. der Zweite."""
    return f"der {numbers.ordinal(number, 'de').capitalize()}"


def german_rules(numerals: Numerals) -> Sequence[Rule]:
    """Rules for ordinal numbers, regnal numbers, decades, short dates and postal codes."""

    def read_ordinal(match: re.Match[str]) -> str | None:
        before = word_before(match)
        following = word_after(match)
        if before in _WEAK or before in _ARTICLES or following[:1].islower():
            return ordinal(int(match["number"]), before, following) if following else None
        return (
            ordinal(int(match["number"]), before, following) if re.match(rf"(?:{_COUNTED_SO})\b", following) else None
        )

    def read_first_of_range(match: re.Match[str]) -> str:
        return ordinal(int(match["number"]), word_before(match))

    def read_roman_ordinal(match: re.Match[str]) -> str:
        return ordinal(roman_value(match["roman"]), word_before(match))

    def read_regnal(match: re.Match[str]) -> str | None:
        before, name = words_before(match)
        known = name in RULERS or name.removesuffix("s") in RULERS
        if name.lower() in LABELS or not name[:1].isupper() or (len(match["roman"]) == 1 and not known):
            return None
        stem = numbers.ordinal(roman_value(match["roman"]), "de").capitalize()
        if name.endswith("s") and name not in RULERS:
            spoken = f"des {stem}n"
        elif name in _QUEENS:
            spoken = f"die {stem}"
        elif before.lower() in ("von", "mit", "unter", "bei", "zu", "nach", "seit", "neben", "vor"):
            spoken = f"dem {stem}n"
        elif before.lower() in ("für", "gegen", "durch", "um", "ohne"):
            spoken = f"den {stem}n"
        else:
            spoken = f"der {stem}"
        return spoken + "." if ends_sentence(match) else spoken

    def read_decade(match: re.Match[str]) -> str:
        number = int(match["number"])
        return (read_year(number) if number >= 1000 else numerals.integer(number)) + match["ending"]

    number = r"(?<![\w.,/:-])(?P<number>\d{1,4})\."
    nouns_after = rf"(?=[ \u00a0](?:{_COUNTED_SO})\b)"
    roman = ROMAN.replace(r"(?![\w'’])", "")
    return (
        spaced(
            "date", re.compile(r"(?<![\w.,/-])(?P<day>\d{1,2})\.(?P<month>0?[1-9]|1[0-2])\.(?!\w)"), _read_short_date
        ),
        spaced("roman", re.compile(rf"{roman}\.{nouns_after}"), read_roman_ordinal),
        spaced("roman", re.compile(rf"(?<=[^\W\d_] ){roman}\.(?!\w)"), read_regnal),
        spaced("date", re.compile(r"(?<![\w.,-])(?P<number>(?:\d\d)?\d0)(?P<ending>er[ns]?)\b"), read_decade),
        spaced("ordinal", re.compile(rf"{number}(?=[ \u00a0][^\W\d_])(?!\s(?:{'|'.join(MONTHS)})\b)"), read_ordinal),
        spaced("address", re.compile(r"(?<=, )\d{5}(?= [A-ZÄÖÜ])"), lambda match: numerals.digits(match[0])),
        spaced(
            "ordinal", re.compile(rf"{number}(?=(?: ?[-–] ?|, | und | oder | bis )\d{{1,2}}\.)"), read_first_of_range
        ),
        spaced("range", re.compile(r"(?<=\d\.)[-–](?=\d)|(?<=\d\. )[-–](?= \d)"), lambda match: "bis"),
        Rule("abbreviation", re.compile(r"(?<=[a-zäöüß]{2})str\.(?!\w)"), lambda match: "straße"),
        spaced("sign", re.compile("§§"), lambda match: "Paragrafen"),
    )


def _read_short_date(match: re.Match[str]) -> str | None:
    day = int(match["day"])
    return read_date(day, int(match["month"]), None, word_before(match)) if 1 <= day <= 31 else None


RULERS = frozenset(
    listed(
        "Ludwig Karl Friedrich Wilhelm Heinrich Otto Franz Joseph Leopold Philipp Georg Elisabeth Katharina "
        "Maria Johannes Paul Pius Benedikt Gregor Leo Peter Alexander Nikolaus Napoleon Eduard Maximilian "
        "Rudolf Konrad Albert Richard Josef Jakob Charles Felipe Franziskus August Gustav Christian Viktor"
    )
)
_QUEENS = frozenset(listed("Elisabeth Katharina Maria Margarethe Beatrix Victoria Christina Anna Isabella"))
LABELS = listed(
    "kapitel seite nummer band teil klasse stufe phase akt szene typ gruppe raum zimmer platz gleis linie tor "
    "version schritt punkt level ziffer absatz artikel paragraf abbildung tabelle zeile spalte ebene minus plus mal"
)
