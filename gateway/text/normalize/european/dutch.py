"""Dutch: words and ordinal numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("januari februari maart april mei juni juli augustus september oktober november december")


def _agree(words: str, number: int, gender: str) -> str:
    return words.replace("ééndui", "eendui")  # num2words: honderdéénduizend


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{numbers.cardinal(day, 'nl')} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {_year(year)}"


def _year(year: int) -> str:
    words = numbers.year(year, "nl") if 1100 <= year < 2000 else numbers.cardinal(year, "nl")
    return words.replace(" honderd ", "honderd").replace(" honderd", "honderd")


def _clock(hour: int, minute: int, before: str) -> str:
    words = f"{numbers.cardinal(hour, 'nl')} uur"
    return f"{words} {numbers.cardinal(minute, 'nl')}" if minute else words


def _regnal(number: int, name: str) -> str:
    return f"de {numbers.ordinal(number, 'nl').capitalize()}"


def _rules(numerals: Numerals) -> Sequence[Rule]:
    return (
        spaced(
            "ordinal",
            re.compile(r"(?<![\w.,])(?P<number>\d{1,4})(?:ste|de|e)(?!\w)"),
            lambda match: numerals.ordinal(int(match["number"])),
        ),
        Rule("date", re.compile(r"(?<!\w)['’](?=\d0(?!\d))"), lambda match: ""),
    )


WORDS = Words(
    numbers="nl",
    decimal="komma",
    point="punt",
    minus="min",
    decimals_as_number=False,
    months=MONTHS,
    month_abbreviations={
        "jan.": 1,
        "feb.": 2,
        "mrt.": 3,
        "apr.": 4,
        "aug.": 8,
        "sept.": 9,
        "okt.": 10,
        "nov.": 11,
        "dec.": 12,
    },
    month_and_year="{month} {year}",
    date=_date,
    clock=_clock,
    clock_signs="uur|u",
    clock_leads=("om", "van", "tot", "vanaf"),
    year=_year,
    agree=_agree,
    currencies=nouns(
        {
            "€": "|euro",
            "$": "|dollar",
            "£": "|pond",
            "¥": "|yen",
            "CHF": "|frank",
            "₽": "|roebel",
            "kr": "|kroon|kronen",
        }
    ),
    cent_names=nouns({"€": "|cent", "$": "|cent", "£": "|penny|pence"}),
    magnitudes=nouns(
        {
            "mln.": "|miljoen",
            "mln": "|miljoen",
            "mld.": "|miljard",
            "mld": "|miljard",
            "miljoen": "|miljoen",
            "miljard": "|miljard",
        }
    ),
    units=nouns(
        {
            "%": "|procent",
            "‰": "|promille",
            "°": "|graad|graden",
            "°C": "|graad Celsius|graden Celsius",
            "°F": "|graad Fahrenheit|graden Fahrenheit",
            "m": "|meter",
            "g": "|gram",
            "l": "|liter",
            "B": "|byte",
            "W": "|watt",
            "Wh": "|wattuur",
            "Pa": "|pascal",
            "Hz": "|hertz",
            "V": "|volt",
            "t": "|ton",
            "h": "|uur",
            "min": "|minuut|minuten",
            "min.": "|minuut|minuten",
            "s": "|seconde|seconden",
            "sec.": "|seconde|seconden",
            "ha": "|hectare",
            "dB": "|decibel",
        }
    ),
    prefixes={
        "h": "hecto",
        "k": "kilo",
        "M": "mega",
        "G": "giga",
        "T": "tera",
        "c": "centi",
        "d": "deci",
        "m": "milli",
    },
    square=("vierkante {}",),
    cube=("kubieke {}",),
    per={
        "h": "per uur",
        "u": "per uur",
        "s": "per seconde",
        "min": "per minuut",
        "kg": "per kilogram",
        "l": "per liter",
    },
    per_word="per",
    over="slash",
    fractions={(1, 2): "een half", (1, 4): "een kwart", (3, 4): "driekwart"},
    denominators={3: ("derde",), 4: ("vierde",), 5: ("vijfde",), 6: ("zesde",), 8: ("achtste",), 10: ("tiende",)},
    half="en een half",
    halves={"": "een halve"},
    mixed="",
    squared="kwadraat",
    cubed="tot de derde",
    power="tot de macht",
    times="keer",
    times_after="keer",
    divided="gedeeld door",
    range="tot",
    ratio="tegen",
    number_sign="nummer",
    address={
        "dot": "punt",
        "slash": "slash",
        "backslash": "backslash",
        "colon": "dubbele punt",
        "at": "apenstaartje",
        "dash": "streepje",
        "underscore": "underscore",
        "plus": "plus",
        "tilde": "tilde",
        "hashtag": "hashtag",
        "point": "punt",
        "version": "versie",
    },
    abbreviations={
        "d.w.z.": "dat wil zeggen",
        "bijv.": "bijvoorbeeld",
        "bv.": "bijvoorbeeld",
        "enz.": "enzovoort",
        "etc.": "et cetera",
        "o.a.": "onder andere",
        "t/m": "tot en met",
        "m.b.t.": "met betrekking tot",
        "i.p.v.": "in plaats van",
        "a.u.b.": "alstublieft",
        "ca.": "circa",
        "incl.": "inclusief",
        "excl.": "exclusief",
        "tel.": "telefoon",
        "v.Chr.": "voor Christus",
    },
    titles={
        "dhr.": "de heer",
        "mevr.": "mevrouw",
        "mw.": "mevrouw",
        "dr.": "doctor",
        "drs.": "doctorandus",
        "prof.": "professor",
        "St.": "Sint",
    },
    counters={"nr.": "nummer", "blz.": "bladzijde", "p.": "pagina", "art.": "artikel", "hfst.": "hoofdstuk"},
    closing=frozenset(["enz.", "etc.", "a.u.b."]),
    signs={
        "+": "plus",
        "−": "min",
        "=": "is",
        "×": "keer",
        "÷": "gedeeld door",
        "<": "kleiner dan",
        ">": "groter dan",
        "≤": "kleiner dan of gelijk aan",
        "≥": "groter dan of gelijk aan",
        "±": "plus of min",
        "≈": "ongeveer",
        "≠": "niet gelijk aan",
        "~": "ongeveer",
        "∞": "oneindig",
        "√": "wortel van",
        "→": "pijl",
        "&": "en",
        "§": "paragraaf",
        "©": "copyright",
        "®": "geregistreerd",
        "™": "handelsmerk",
        "°": "graden",
        "%": "procent",
        "‰": "promille",
        "/": "slash",
        "\\": "backslash",
        "@": "apenstaartje",
        "#": "hekje",
        "_": "underscore",
        "^": "tot de macht",
        "µ": "micro",
    },
    joins_suffixes=True,
    rulers=frozenset(
        listed(
            "Lodewijk Karel Willem Filips Hendrik Napoleon Paulus Johannes Pius Benedictus George Albert Leopold "
            "Boudewijn Frederik Elizabeth"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
