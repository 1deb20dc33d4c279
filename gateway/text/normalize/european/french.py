"""French: words, agreement and ordinal numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import ROMAN, roman_value
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Number, Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("janvier février mars avril mai juin juillet août septembre octobre novembre décembre")


def ordinal(number: int, ending: str) -> str:
    """An ordinal number with a written ending, e.g. ``er``, ``re``, ``nde`` or ``e``."""
    if number == 1:
        return "première" if ending in ("re", "ère", "ere") else "premier"
    if number == 2 and ending in ("nd", "nde"):
        return "second" + ending[2:]
    return numbers.ordinal(number, "fr")


def _agree(words: str, number: int, gender: str) -> str:
    return words + "e" if gender == "f" and number % 10 == 1 and number % 100 not in (11, 71, 91) else words


def _plural(number: Number) -> int:
    return int(int(number.integer) >= 2)


_FEMININE = frozenset(
    listed("heure heures page pages minute minutes personne personnes année années fois semaine semaines")
)


def _gender(word: str, number: int) -> str:
    return "f" if word in _FEMININE or word.endswith(("tion", "tions")) else ""


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{'premier' if day == 1 else numbers.cardinal(day, 'fr')} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {numbers.cardinal(year, 'fr')}"


def _clock(hour: int, minute: int, before: str) -> str:
    words = _agree(numbers.cardinal(hour, "fr"), hour, "f") + (" heures" if hour > 1 else " heure")
    return f"{words} {_agree(numbers.cardinal(minute, 'fr'), minute, 'f')}" if minute else words


def _regnal(number: int, name: str) -> str:
    return "premier" if number == 1 else numbers.cardinal(number, "fr")


def _of(noun: str) -> str:
    return f" d'{noun}" if noun[0] in "aeiouhéy" and not noun.startswith("yen") else f" de {noun}"


def _rules(numerals: Numerals) -> Sequence[Rule]:
    def read_ordinal(match: re.Match[str]) -> str:
        return ordinal(int(match["number"]), match["ending"])

    def read_roman(match: re.Match[str]) -> str:
        return ordinal(roman_value(match["roman"]), match["ending"])

    endings = r"(?P<ending>ers?|res?|ères?|eres?|ndes?|nds?|èmes?|emes?|es?|ème)(?!\w)"
    roman = ROMAN.replace(r"(?![\w'’])", "")
    return (
        spaced("roman", re.compile(rf"{roman}\^?{endings}"), read_roman),
        Rule("abbreviation", re.compile(r"(?<=e )s\.(?!\w)"), lambda match: "siècle"),
        spaced("ordinal", re.compile(rf"(?<![\w.,])(?P<number>\d{{1,4}}) ?(?<! )\^?{endings}"), read_ordinal),
    )


WORDS = Words(
    numbers="fr",
    decimal="virgule",
    point="point",
    minus="moins",
    months=MONTHS,
    month_abbreviations={
        "janv.": 1,
        "févr.": 2,
        "fév.": 2,
        "avr.": 4,
        "juil.": 7,
        "sept.": 9,
        "oct.": 10,
        "nov.": 11,
        "déc.": 12,
    },
    month_link=r"(?:er)?\s",
    month_and_year="{month} {year}",
    date=_date,
    clock=_clock,
    clock_signs="heures?|h",
    agree=_agree,
    plural=_plural,
    guess_gender=_gender,
    labels=frozenset(
        listed("page pages chapitre numéro tome volume partie acte scène niveau version salle ligne tableau article")
    ),
    after_magnitude=_of,
    currencies=nouns(
        {
            "€": "m|euro|euros",
            "$": "m|dollar|dollars",
            "£": "f|livre|livres",
            "¥": "m|yen|yens",
            "CHF": "m|franc suisse|francs suisses",
            "zł": "m|zloty|zlotys",
            "₽": "m|rouble|roubles",
            "₹": "f|roupie|roupies",
            "R$": "m|réal|réaux",
            "kr": "f|couronne|couronnes",
            "Kč": "f|couronne|couronnes",
        }
    ),
    cent_names=nouns(
        {"€": "m|centime|centimes", "$": "m|cent|cents", "£": "m|penny|pence", "CHF": "m|centime|centimes"}
    ),
    magnitudes=nouns(
        {
            "M": "m|million|millions",
            "Md": "m|milliard|milliards",
            "Mds": "m|milliard|milliards",
            "k": "|mille",
            "million": "m|million|millions",
            "millions": "m|million|millions",
            "milliard": "m|milliard|milliards",
            "milliards": "m|milliard|milliards",
        }
    ),
    units=nouns(
        {
            "%": "|pour cent",
            "‰": "|pour mille",
            "°": "m|degré|degrés",
            "°C": "m|degré Celsius|degrés Celsius",
            "°F": "m|degré Fahrenheit|degrés Fahrenheit",
            "m": "m|mètre|mètres",
            "g": "m|gramme|grammes",
            "l": "m|litre|litres",
            "B": "m|byte|bytes",
            "o": "m|octet|octets",
            "ko": "m|kilooctet|kilooctets",
            "Ko": "m|kilooctet|kilooctets",
            "Mo": "m|mégaoctet|mégaoctets",
            "Go": "m|gigaoctet|gigaoctets",
            "To": "m|téraoctet|téraoctets",
            "W": "m|watt|watts",
            "Wh": "m|wattheure|wattheures",
            "Pa": "m|pascal|pascals",
            "Hz": "m|hertz",
            "V": "m|volt|volts",
            "t": "f|tonne|tonnes",
            "h": "f|heure|heures",
            "j": "m|jour|jours",
            "min": "f|minute|minutes",
            "mn": "f|minute|minutes",
            "s": "f|seconde|secondes",
            "ms": "f|milliseconde|millisecondes",
            "ha": "m|hectare|hectares",
            "dB": "m|décibel|décibels",
            "px": "m|pixel|pixels",
            "kcal": "f|kilocalorie|kilocalories",
            "Mbit": "m|mégabit|mégabits",
        }
    ),
    prefixes={
        "h": "hecto",
        "k": "kilo",
        "M": "méga",
        "G": "giga",
        "T": "téra",
        "c": "centi",
        "d": "déci",
        "m": "milli",
    },
    square=("{} carré", "{} carrés"),
    cube=("{} cube", "{} cubes"),
    per={
        "h": "par heure",
        "s": "par seconde",
        "min": "par minute",
        "kg": "par kilogramme",
        "m²": "par mètre carré",
        "l": "par litre",
    },
    per_word="par",
    over="sur",
    fractions={(1, 2): "un demi"},
    denominators={
        3: ("tiers",),
        4: ("quart", "quarts"),
        5: ("cinquième", "cinquièmes"),
        6: ("sixième", "sixièmes"),
        7: ("septième", "septièmes"),
        8: ("huitième", "huitièmes"),
        9: ("neuvième", "neuvièmes"),
        10: ("dixième", "dixièmes"),
        100: ("centième", "centièmes"),
    },
    fraction_of=" de ",
    half="et demi",
    half_feminine="et demie",
    halves={"f": "une demi"},
    half_last=True,
    mixed="et",
    squared="au carré",
    cubed="au cube",
    power="puissance",
    times="fois",
    times_after="fois",
    divided="divisé par",
    range="à",
    ratio="à",
    number_sign="numéro",
    address={
        "dot": "point",
        "slash": "slash",
        "backslash": "antislash",
        "colon": "deux points",
        "at": "arobase",
        "dash": "tiret",
        "underscore": "tiret bas",
        "plus": "plus",
        "tilde": "tilde",
        "hashtag": "hashtag",
        "point": "point",
        "version": "version",
    },
    abbreviations={
        "p. ex.": "par exemple",
        "c.-à-d.": "c'est-à-dire",
        "etc.": "et cetera",
        "env.": "environ",
        "c. à s.": "cuillère à soupe",
        "c. à c.": "cuillère à café",
        "av. J.-C.": "avant Jésus-Christ",
        "apr. J.-C.": "après Jésus-Christ",
        "svp": "s'il vous plaît",
        "Mme": "madame",
        "Mmes": "mesdames",
        "Mlle": "mademoiselle",
        "MM.": "messieurs",
        "tél.": "téléphone",
        "max.": "maximum",
        "min.": "minimum",
        "bd": "boulevard",
        "Cie": "compagnie",
        "TTC": "toutes taxes comprises",
        "qqch.": "quelque chose",
    },
    titles={
        "M.": "monsieur",
        "Dr": "docteur",
        "Dr.": "docteur",
        "Pr": "professeur",
        "Me": "maître",
        "St": "saint",
        "Ste": "sainte",
    },
    counters={
        "n°": "numéro",
        "nº": "numéro",
        "no": "numéro",
        "N°": "numéro",
        "p.": "page",
        "pp.": "pages",
        "art.": "article",
        "chap.": "chapitre",
        "fig.": "figure",
        "vol.": "volume",
        "t.": "tome",
    },
    closing=frozenset(["etc.", "av. J.-C.", "apr. J.-C."]),
    signs={
        "+": "plus",
        "−": "moins",
        "=": "égale",
        "×": "fois",
        "÷": "divisé par",
        "<": "inférieur à",
        ">": "supérieur à",
        "≤": "inférieur ou égal à",
        "≥": "supérieur ou égal à",
        "±": "plus ou moins",
        "≈": "environ",
        "≠": "différent de",
        "~": "environ",
        "∞": "infini",
        "√": "racine de",
        "→": "flèche",
        "&": "et",
        "§": "paragraphe",
        "©": "copyright",
        "®": "marque déposée",
        "™": "marque",
        "°": "degrés",
        "%": "pour cent",
        "‰": "pour mille",
        "/": "slash",
        "\\": "antislash",
        "@": "arobase",
        "#": "dièse",
        "_": "tiret bas",
        "^": "puissance",
        "µ": "micro",
    },
    phone_pairs=True,
    rulers=frozenset(
        listed(
            "Louis Henri Charles Philippe François Napoléon Jean Paul Pie Benoît Georges George Édouard Guillaume "
            "Frédéric Léopold Albert Alexandre Nicolas Élisabeth Elizabeth Catherine Jacques Richard Pierre Léon "
            "Jean-Paul Félipe Joseph"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
