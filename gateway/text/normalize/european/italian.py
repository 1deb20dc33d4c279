"""Italian: words, agreement and ordinal numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import ROMAN, roman_value
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre")


def _agree(words: str, number: int, gender: str) -> str:
    if number == 1 and gender:
        return "una" if gender == "f" else "un"
    return (
        words + "tré" if words.endswith("tre") and words != "tre" and not (words := words[:-3]).endswith(" ") else words
    )


def ordinal(number: int, ending: str) -> str:
    """An ordinal number with a written ending: ``º`` or ``ª``."""
    words = numbers.ordinal(number, "it")
    return words[:-1] + "a" if ending in ("ª", "a") else words


_NOT_NOUNS = frozenset(
    listed(
        "alla della nella dalla sulla era come sono dove anche che per con del nel sul dal non più fino dopo prima "
        "contro oppure mentre quando quello questo questa quella solo molto hanno viene"
    )
)


def _gender(word: str, number: int) -> str:
    if not word.islower() or len(word) < 3 or word in _NOT_NOUNS:
        return ""
    if re.search(r"(?:a|zione|sione|tà)$", word) and not re.search(r"(?:ema|amma)$", word):
        return "f"
    return "m" if word[-1] in "oe" else ""


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{'primo' if day == 1 else numbers.cardinal(day, 'it')} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {numbers.cardinal(year, 'it')}"


def _clock(hour: int, minute: int, before: str) -> str:
    words = "una" if hour == 1 else numbers.cardinal(hour, "it")
    return f"{words} e {numbers.cardinal(minute, 'it')}" if minute else words


_QUEENS = frozenset(listed("Elisabetta Caterina Maria Giovanna Cristina Isabella Margherita Vittoria"))


def _regnal(number: int, name: str) -> str:
    return ordinal(number, "ª" if name in _QUEENS else "º")


def _rules(numerals: Numerals) -> Sequence[Rule]:
    return (
        spaced(
            "roman",
            re.compile(rf"{ROMAN}(?= (?:secolo|sec\.))"),
            lambda match: ordinal(roman_value(match["roman"]), "º"),
        ),
        spaced(
            "ordinal",
            re.compile(r"(?<![\w.,+−-])(?P<number>\d{1,3})(?P<ending>[ºª]|°(?= [^\W\d_]))(?!\w| ?[CF]\b)"),
            lambda match: ordinal(int(match["number"]), match["ending"]),
        ),
        Rule("date", re.compile(r"(?<!\w)['’](?=\d0(?!\d))"), lambda match: ""),
    )


WORDS = Words(
    numbers="it",
    decimal="virgola",
    point="punto",
    minus="meno",
    months=MONTHS,
    month_abbreviations={
        "gen.": 1,
        "feb.": 2,
        "mar.": 3,
        "apr.": 4,
        "ago.": 8,
        "sett.": 9,
        "ott.": 10,
        "nov.": 11,
        "dic.": 12,
    },
    month_link=r"[º°]?\s",
    month_and_year="{month} {year}",
    date=_date,
    clock=_clock,
    clock_leads=("alle", "ore", "dalle", "le"),
    agree=_agree,
    guess_gender=_gender,
    labels=frozenset(
        listed(
            "capitolo pagina numero tomo volume parte atto scena livello fase tipo gruppo sala versione articolo "
            "più meno per"
        )
    ),
    after_magnitude=lambda noun: f" di {noun}",
    cents="e {cents}",
    currencies=nouns(
        {
            "€": "m|euro",
            "$": "m|dollaro|dollari",
            "£": "f|sterlina|sterline",
            "¥": "m|yen",
            "CHF": "m|franco svizzero|franchi svizzeri",
            "₽": "m|rublo|rubli",
            "₹": "f|rupia|rupie",
        }
    ),
    cent_names=nouns({"€": "m|centesimo|centesimi", "$": "m|centesimo|centesimi", "£": "m|penny|pence"}),
    magnitudes=nouns(
        {
            "mln": "m|milione|milioni",
            "mld": "m|miliardo|miliardi",
            "milione": "m|milione|milioni",
            "milioni": "m|milione|milioni",
            "miliardo": "m|miliardo|miliardi",
            "miliardi": "m|miliardo|miliardi",
        }
    ),
    units=nouns(
        {
            "%": "|per cento",
            "‰": "|per mille",
            "°": "m|grado|gradi",
            "°C": "m|grado Celsius|gradi Celsius",
            "°F": "m|grado Fahrenheit|gradi Fahrenheit",
            "m": "m|metro|metri",
            "g": "m|grammo|grammi",
            "l": "m|litro|litri",
            "B": "m|byte",
            "W": "m|watt",
            "Wh": "m|wattora",
            "Pa": "m|pascal",
            "Hz": "m|hertz",
            "V": "m|volt",
            "t": "f|tonnellata|tonnellate",
            "h": "f|ora|ore",
            "min": "m|minuto|minuti",
            "s": "m|secondo|secondi",
            "ha": "m|ettaro|ettari",
            "dB": "m|decibel",
            "mq": "m|metro quadrato|metri quadrati",
        }
    ),
    prefixes={
        "h": "etto",
        "k": "chilo",
        "M": "mega",
        "G": "giga",
        "T": "tera",
        "c": "centi",
        "d": "deci",
        "m": "milli",
    },
    square=("{} quadrato", "{} quadrati"),
    cube=("{} cubo", "{} cubi"),
    per={"h": "all'ora", "s": "al secondo", "min": "al minuto", "kg": "al chilogrammo", "l": "al litro"},
    per_word="per",
    over="su",
    fractions={(1, 2): "mezzo"},
    denominators={
        3: ("terzo", "terzi"),
        4: ("quarto", "quarti"),
        5: ("quinto", "quinti"),
        6: ("sesto", "sesti"),
        8: ("ottavo", "ottavi"),
        10: ("decimo", "decimi"),
    },
    fraction_of=" di ",
    half="e mezzo",
    half_feminine="e mezza",
    halves={"f": "mezza"},
    half_last=True,
    mixed="e",
    squared="al quadrato",
    cubed="al cubo",
    power="elevato a",
    times="per",
    times_after="volte",
    divided="diviso",
    range="a",
    ratio="a",
    number_sign="numero",
    address={
        "dot": "punto",
        "slash": "barra",
        "backslash": "barra inversa",
        "colon": "due punti",
        "at": "chiocciola",
        "dash": "trattino",
        "underscore": "trattino basso",
        "plus": "più",
        "tilde": "tilde",
        "hashtag": "hashtag",
        "point": "punto",
        "version": "versione",
    },
    abbreviations={
        "ad es.": "ad esempio",
        "p. es.": "per esempio",
        "ecc.": "eccetera",
        "etc.": "eccetera",
        "ca.": "circa",
        "tel.": "telefono",
        "max.": "massimo",
        "a.C.": "avanti Cristo",
        "d.C.": "dopo Cristo",
    },
    titles={
        "Sig.": "signor",
        "Sig.ra": "signora",
        "Dott.": "dottor",
        "Dott.ssa": "dottoressa",
        "Prof.": "professor",
        "Ing.": "ingegner",
        "Avv.": "avvocato",
        "S.": "San",
    },
    counters={
        "n.": "numero",
        "n°": "numero",
        "nº": "numero",
        "pag.": "pagina",
        "p.": "pagina",
        "art.": "articolo",
        "cap.": "capitolo",
        "vol.": "volume",
    },
    closing=frozenset(["ecc.", "etc.", "a.C.", "d.C."]),
    signs={
        "+": "più",
        "−": "meno",
        "=": "uguale",
        "×": "per",
        "÷": "diviso",
        "<": "minore di",
        ">": "maggiore di",
        "≤": "minore o uguale a",
        "≥": "maggiore o uguale a",
        "±": "più o meno",
        "≈": "circa",
        "≠": "diverso da",
        "~": "circa",
        "∞": "infinito",
        "√": "radice di",
        "→": "freccia",
        "&": "e",
        "§": "paragrafo",
        "©": "copyright",
        "®": "marchio registrato",
        "™": "marchio",
        "°": "gradi",
        "%": "per cento",
        "‰": "per mille",
        "/": "barra",
        "\\": "barra inversa",
        "@": "chiocciola",
        "#": "cancelletto",
        "_": "trattino basso",
        "^": "elevato a",
        "µ": "micro",
    },
    rulers=frozenset(
        listed(
            "Luigi Carlo Enrico Filippo Francesco Vittorio Emanuele Umberto Napoleone Paolo Pio Benedetto "
            "Giovanni Leone Giorgio Edoardo Guglielmo Federico Elisabetta Caterina Alessandro Nicola Leopoldo "
            "Felipe Pietro"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
