"""Polish: words, agreement and ordinal numbers.

Ordinal numbers are inflected in dates, years, hours and centuries. Other numbers are read in the nominative case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import ROMAN, roman_value, word_after, word_before
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Number, Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia")


def ordinal(number: int, ending: str) -> str:
    """An ordinal number with a case ending: ``y`` for the dictionary form, ``ego``, ``ym``, ``a``, ``ej`` or ``e``."""
    words = numbers.ordinal(number, "pl").split()
    for index in range(max(0, len(words) - 2), len(words)):
        if words[index] in ("drugi",):
            words[index] = "drug" + {"y": "i", "ego": "iego", "ym": "im", "a": "a", "ej": "iej", "e": "ie"}[ending]
        elif words[index] == "trzeci":
            words[index] = "trzec" + {"y": "i", "ego": "iego", "ym": "im", "a": "ia", "ej": "iej", "e": "ie"}[ending]
        elif words[index].endswith("y") and words[index] not in ("trzy", "cztery"):
            words[index] = words[index][:-1] + ending
    return " ".join(words)


def _agree(words: str, number: int, gender: str) -> str:
    if number == 1 and gender:
        return {"f": "jedna", "n": "jedno"}.get(gender, "jeden")
    return re.sub(r"dwa$", "dwie", words) if gender == "f" else words


_FEMININE = frozenset(
    listed("godziny minuty sekundy osoby strony książki kobiety córki siostry sztuki tony rzeczy noce części")
)


def _gender(word: str, number: int) -> str:
    """By the ending of the noun after one; after two, masculine and feminine nouns end alike."""
    if not word.islower() or len(word) < 3:
        return ""
    if number == 1:
        return {"a": "f", "o": "n", "e": "n"}.get(word[-1], "m")
    return "f" if word in _FEMININE else "m"


def _plural(number: Number) -> int:
    value = number.value
    if value is None:
        return 3
    if value == 1:
        return 0
    return 1 if value % 10 in (2, 3, 4) and value % 100 not in (12, 13, 14) else 2


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{ordinal(day, 'ego')} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {ordinal(year, 'ego')} roku"


def _clock(hour: int, minute: int, before: str) -> str:
    words = (
        ordinal(hour, "ej" if before in ("o", "po", "od", "do", "przed", "około", "godzinie", "godz") else "a")
        if hour
        else "zero"
    )
    return f"{words} {'zero ' * (minute < 10)}{numbers.cardinal(minute, 'pl')}" if minute else words


def _regnal(number: int, name: str) -> str:
    return ordinal(number, "a" if name.endswith("a") else "y")


_IN_MONTH = "styczniu|lutym|marcu|kwietniu|maju|czerwcu|lipcu|sierpniu|wrześniu|październiku|listopadzie|grudniu"


def _rules(numerals: Numerals) -> Sequence[Rule]:
    def read_year(match: re.Match[str]) -> str:
        ending = "ym" if word_before(match) in ("w", "po", "o") else "ego"
        return f"{ordinal(int(match['number']), ending)} roku"

    def read_month_and_year(match: re.Match[str]) -> str:
        return f"{match['month']} {ordinal(int(match['number']), 'ego')} roku"

    def read_decade(match: re.Match[str]) -> str:
        return ordinal(int(match["number"]), "e" if word_before(match) == "lata" else "ych")

    def read_century(match: re.Match[str]) -> str:
        ending = "y" if match["noun"] == "wiek" else "ym" if word_before(match) in ("w", "po", "o") else "ego"
        return f"{ordinal(roman_value(match['roman']), ending)} {match['noun'] if match['noun'] != 'w.' else 'wieku'}"

    def read_ordinal(match: re.Match[str]) -> str | None:
        following = word_after(match)
        if not following.islower():
            return None
        ending = "ym" if word_before(match) == "w" else {"a": "a", "e": "e", "o": "e"}.get(following[-1], "y")
        return ordinal(int(match["number"]), ending)

    return (
        spaced(
            "date",
            re.compile(rf"\b(?P<month>{_IN_MONTH}) (?P<number>[12]\d{{3}})(?: roku\b| r\.)?(?!\w)"),
            read_month_and_year,
        ),
        spaced("date", re.compile(r"(?:(?<=lata )|(?<=lat )|(?<=latach ))(?P<number>\d0)\.?(?!\w)"), read_decade),
        spaced("date", re.compile(r"(?<![\w.,-])(?P<number>[12]\d{3}) ?(?:roku\b|r\.(?!\w))"), read_year),
        spaced("roman", re.compile(rf"{ROMAN} (?P<noun>wieku|wiek|w\.)(?!\w)"), read_century),
        spaced(
            "ordinal",
            re.compile(rf"(?<![\w.,/:-])(?P<number>\d{{1,3}})\.(?= [^\W\d_]{{3}})(?! (?:{'|'.join(MONTHS)})\b)"),
            read_ordinal,
        ),
    )


WORDS = Words(
    numbers="pl",
    decimal="przecinek",
    point="kropka",
    minus="minus",
    months=MONTHS,
    date=_date,
    year_sign=r"r\.|roku",
    clock=_clock,
    clock_leads=("o", "do", "od", "godz.", "godzinie", "po"),
    agree=_agree,
    plural=_plural,
    guess_gender=_gender,
    labels=frozenset(listed("strona rozdział numer tom część poziom wersja artykuł punkt sala linia")),
    cents="{cents} {name}",
    currencies=nouns(
        {
            "zł": "m|złoty|złote|złotych|złotego",
            "€": "n|euro",
            "$": "m|dolar|dolary|dolarów|dolara",
            "£": "m|funt|funty|funtów|funta",
            "CHF": "m|frank|franki|franków|franka",
            "¥": "m|jen|jeny|jenów|jena",
            "₽": "m|rubel|ruble|rubli|rubla",
            "Kč": "f|korona|korony|koron|korony",
        }
    ),
    cent_names=nouns(
        {"zł": "m|grosz|grosze|groszy|grosza", "€": "m|cent|centy|centów|centa", "$": "m|cent|centy|centów|centa"}
    ),
    magnitudes=nouns(
        {
            "tys.": "m|tysiąc|tysiące|tysięcy|tysiąca",
            "mln": "m|milion|miliony|milionów|miliona",
            "mld": "m|miliard|miliardy|miliardów|miliarda",
        }
    ),
    units=nouns(
        {
            "%": "m|procent|procent|procent|procent",
            "‰": "m|promil|promile|promili|promila",
            "°": "m|stopień|stopnie|stopni|stopnia",
            "°C": "m|stopień Celsjusza|stopnie Celsjusza|stopni Celsjusza|stopnia Celsjusza",
            "m": "m|metr|metry|metrów|metra",
            "g": "m|gram|gramy|gramów|grama",
            "l": "m|litr|litry|litrów|litra",
            "B": "m|bajt|bajty|bajtów|bajta",
            "W": "m|wat|waty|watów|wata",
            "Wh": "f|watogodzina|watogodziny|watogodzin|watogodziny",
            "Hz": "m|herc|herce|herców|herca",
            "V": "m|wolt|wolty|woltów|wolta",
            "t": "f|tona|tony|ton|tony",
            "godz.": "f|godzina|godziny|godzin|godziny",
            "h": "f|godzina|godziny|godzin|godziny",
            "min": "f|minuta|minuty|minut|minuty",
            "s": "f|sekunda|sekundy|sekund|sekundy",
            "ha": "m|hektar|hektary|hektarów|hektara",
            "dB": "m|decybel|decybele|decybeli|decybela",
            "gr": "m|grosz|grosze|groszy|grosza",
            "szt.": "f|sztuka|sztuki|sztuk|sztuki",
        }
    ),
    prefixes={"k": "kilo", "M": "mega", "G": "giga", "T": "tera", "c": "centy", "d": "decy", "m": "mili"},
    square=("{} kwadratowy", "{} kwadratowe", "{} kwadratowych", "{} kwadratowego"),
    cube=("{} sześcienny", "{} sześcienne", "{} sześciennych", "{} sześciennego"),
    per={"h": "na godzinę", "s": "na sekundę", "min": "na minutę", "kg": "za kilogram", "l": "na litr"},
    per_word="na",
    over="łamane przez",
    fractions={(1, 2): "pół", (1, 4): "ćwierć"},
    denominators={
        3: ("trzecia", "trzecie", "trzecich"),
        4: ("czwarta", "czwarte", "czwartych"),
        5: ("piąta", "piąte", "piątych"),
        6: ("szósta", "szóste", "szóstych"),
        8: ("ósma", "ósme", "ósmych"),
        10: ("dziesiąta", "dziesiąte", "dziesiątych"),
    },
    fraction_gender="f",
    fraction_form=3,
    half="i pół",
    mixed="i",
    squared="do kwadratu",
    cubed="do sześcianu",
    power="do potęgi",
    times="razy",
    times_after="razy",
    divided="podzielić przez",
    range="do",
    ratio="do",
    number_sign="numer",
    address={
        "dot": "kropka",
        "slash": "ukośnik",
        "backslash": "odwrotny ukośnik",
        "colon": "dwukropek",
        "at": "małpa",
        "dash": "myślnik",
        "underscore": "podkreślnik",
        "plus": "plus",
        "tilde": "tylda",
        "hashtag": "hasztag",
        "point": "kropka",
        "version": "wersja",
    },
    abbreviations={
        "np.": "na przykład",
        "itd.": "i tak dalej",
        "itp.": "i tym podobne",
        "m.in.": "między innymi",
        "tzn.": "to znaczy",
        "tj.": "to jest",
        "tzw.": "tak zwany",
        "ok.": "około",
        "tel.": "telefon",
        "maks.": "maksymalnie",
        "p.n.e.": "przed naszą erą",
        "n.e.": "naszej ery",
    },
    titles={
        "ul.": "ulica",
        "al.": "aleja",
        "dr": "doktor",
        "prof.": "profesor",
        "św.": "święty",
        "inż.": "inżynier",
        "mgr": "magister",
    },
    counters={
        "nr": "numer",
        "str.": "strona",
        "s.": "strona",
        "o godz.": "o godzinie",
        "godz.": "godzina",
        "art.": "artykuł",
        "ust.": "ustęp",
        "pkt": "punkt",
        "rozdz.": "rozdział",
        "m.": "mieszkania",
    },
    closing=frozenset(["itd.", "itp.", "p.n.e.", "n.e."]),
    signs={
        "+": "plus",
        "−": "minus",
        "=": "równa się",
        "×": "razy",
        "÷": "podzielić przez",
        "<": "mniejsze niż",
        ">": "większe niż",
        "≤": "mniejsze lub równe",
        "≥": "większe lub równe",
        "±": "plus minus",
        "≈": "około",
        "≠": "nie równa się",
        "~": "około",
        "∞": "nieskończoność",
        "√": "pierwiastek z",
        "→": "strzałka",
        "&": "i",
        "§": "paragraf",
        "©": "copyright",
        "®": "znak zastrzeżony",
        "™": "znak towarowy",
        "°": "stopni",
        "%": "procent",
        "‰": "promili",
        "/": "ukośnik",
        "\\": "odwrotny ukośnik",
        "@": "małpa",
        "#": "krzyżyk",
        "_": "podkreślnik",
        "^": "do potęgi",
        "µ": "mikro",
    },
    rulers=frozenset(
        listed(
            "Jan Paweł Zygmunt Kazimierz Ludwik Karol Henryk Fryderyk Wilhelm Pius Benedykt Napoleon Mikołaj "
            "Aleksander Piotr Elżbieta Katarzyna Bolesław Władysław August Mieszko"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
