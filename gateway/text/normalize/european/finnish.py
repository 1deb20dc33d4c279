"""Finnish: words and ordinal numbers.

Numbers are read in the nominative case; a number with a written case ending, such as ``5:n``, is not inflected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import word_after
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = [f"{name}kuuta" for name in listed("tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu")]


def _year(year: int) -> str:
    return numbers.year(year, "fi")


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{numbers.ordinal(day, 'fi')} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {_year(year)}"


def _clock(hour: int, minute: int, before: str) -> str:
    words = numbers.cardinal(hour, "fi")
    return f"{words} {'nolla ' * (minute < 10)}{numbers.cardinal(minute, 'fi')}" if minute else words


def _regnal(number: int, name: str) -> str:
    return numbers.ordinal(number, "fi")


def _rules(numerals: Numerals) -> Sequence[Rule]:
    def read_ordinal(match: re.Match[str]) -> str | None:
        return numerals.ordinal(int(match["number"])) if word_after(match).islower() else None

    return (
        spaced(
            "ordinal", re.compile(r"(?<![\w.,/:-])(?P<number>\d{1,3})\.(?= [a-zäö]{2})(?! \w{3,6}kuuta)"), read_ordinal
        ),
    )


WORDS = Words(
    numbers="fi",
    decimal="pilkku",
    point="piste",
    minus="miinus",
    decimals_as_number=False,
    months=MONTHS,
    date=_date,
    clock=_clock,
    clock_leads=("klo", "kello"),
    year=_year,
    cents="{cents} {name}",
    currencies=nouns(
        {
            "€": "|euro|euroa",
            "$": "|dollari|dollaria",
            "£": "|punta|puntaa",
            "¥": "|jeni|jeniä",
            "CHF": "|frangi|frangia",
            "kr": "|kruunu|kruunua",
            "₽": "|rupla|ruplaa",
        }
    ),
    cent_names=nouns({"€": "|sentti|senttiä", "$": "|sentti|senttiä", "£": "|penny|pennyä"}),
    magnitudes=nouns(
        {
            "t.": "|tuhat|tuhatta",
            "milj.": "|miljoona|miljoonaa",
            "mrd.": "|miljardi|miljardia",
            "miljoonaa": "|miljoona|miljoonaa",
            "miljardia": "|miljardi|miljardia",
        }
    ),
    units=nouns(
        {
            "%": "|prosentti|prosenttia",
            "‰": "|promille|promillea",
            "°": "|aste|astetta",
            "°C": "|celsiusaste|celsiusastetta",
            "°F": "|fahrenheitaste|fahrenheitastetta",
            "m": "|metri|metriä",
            "g": "|gramma|grammaa",
            "l": "|litra|litraa",
            "B": "|tavu|tavua",
            "W": "|watti|wattia",
            "Wh": "|wattitunti|wattituntia",
            "Hz": "|hertsi|hertsiä",
            "V": "|voltti|volttia",
            "t": "|tonni|tonnia",
            "h": "|tunti|tuntia",
            "min": "|minuutti|minuuttia",
            "s": "|sekunti|sekuntia",
            "ha": "|hehtaari|hehtaaria",
            "dB": "|desibeli|desibeliä",
            "kpl": "|kappale|kappaletta",
        }
    ),
    prefixes={"k": "kilo", "M": "mega", "G": "giga", "T": "tera", "c": "sentti", "d": "desi", "m": "milli"},
    square=("neliö{}",),
    cube=("kuutio{}",),
    per={"h": "tunnissa", "s": "sekunnissa", "min": "minuutissa", "kg": "kilolta"},
    per_word="per",
    over="kautta",
    fractions={(1, 2): "puoli"},
    denominators={
        3: ("kolmasosa", "kolmasosaa"),
        4: ("neljäsosa", "neljäsosaa"),
        5: ("viidesosa", "viidesosaa"),
        6: ("kuudesosa", "kuudesosaa"),
        8: ("kahdeksasosa", "kahdeksasosaa"),
        10: ("kymmenesosa", "kymmenesosaa"),
    },
    fraction_form=1,
    half="ja puoli",
    mixed="ja",
    squared="toiseen",
    cubed="kolmanteen",
    power="potenssiin",
    times="kertaa",
    times_after="kertaa",
    divided="jaettuna",
    range="viiva",
    ratio="–",
    number_sign="numero",
    address={
        "dot": "piste",
        "slash": "kautta",
        "backslash": "kenoviiva",
        "colon": "kaksoispiste",
        "at": "ät",
        "dash": "viiva",
        "underscore": "alaviiva",
        "plus": "plus",
        "tilde": "tilde",
        "hashtag": "hashtag",
        "point": "piste",
        "version": "versio",
    },
    abbreviations={
        "esim.": "esimerkiksi",
        "jne.": "ja niin edelleen",
        "ym.": "ynnä muuta",
        "mm.": "muun muassa",
        "ks.": "katso",
        "klo": "kello",
        "n.": "noin",
        "eKr.": "ennen Kristusta",
        "jKr.": "jälkeen Kristuksen",
        "puh.": "puhelin",
    },
    titles={"tri": "tohtori", "prof.": "professori"},
    counters={"nro": "numero", "s.": "sivu", "n:o": "numero"},
    closing=frozenset(["jne.", "ym."]),
    signs={
        "+": "plus",
        "−": "miinus",
        "=": "on yhtä kuin",
        "×": "kertaa",
        "÷": "jaettuna",
        "<": "pienempi kuin",
        ">": "suurempi kuin",
        "≤": "pienempi tai yhtä suuri kuin",
        "≥": "suurempi tai yhtä suuri kuin",
        "±": "plus miinus",
        "≈": "noin",
        "≠": "eri suuri kuin",
        "~": "noin",
        "∞": "ääretön",
        "√": "neliöjuuri",
        "→": "nuoli",
        "&": "ja",
        "§": "pykälä",
        "©": "copyright",
        "®": "rekisteröity",
        "™": "tavaramerkki",
        "°": "astetta",
        "%": "prosenttia",
        "‰": "promillea",
        "/": "kautta",
        "\\": "kenoviiva",
        "@": "ät",
        "#": "ristikkomerkki",
        "_": "alaviiva",
        "^": "potenssiin",
        "µ": "mikro",
    },
    joins_suffixes=True,
    rulers=frozenset(
        listed(
            "Kustaa Kaarle Aleksanteri Nikolai Pietari Katariina Elisabet Paavali Johannes Pius Ludvig Henrik Fredrik"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
