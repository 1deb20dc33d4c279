"""Spanish: words, agreement and ordinal numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import ROMAN, roman_value, word_after
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre")

_BEFORE_THOUSANDS = ((re.compile(r"veintiuno(?= m)"), "veintiún"), (re.compile(r"uno(?= m(?:il|illones)\b)"), "un"))


def _agree(words: str, number: int, gender: str) -> str:
    for pattern, correct in _BEFORE_THOUSANDS:  # num2words: veintiuno mil
        words = pattern.sub(correct, words)
    if gender == "f":
        return re.sub(r"uno$", "una", words.replace("cientos", "cientas").replace("quinientos", "quinientas"))
    if gender == "m":
        return re.sub(r"uno$", "un", re.sub(r"veintiuno$", "veintiún", words))
    return words


def ordinal(number: int, ending: str) -> str:
    """An ordinal number with a written ending, e.g. ``º``, ``ª``, ``er``."""
    words = numbers.ordinal(number, "es")
    if ending.endswith(("ª", "a", "as")):
        return re.sub(r"o(?= |$)", "a", words)
    return re.sub(r"(primer|tercer)o$", r"\1", words) if ending == "er" else words


_FEMININE = re.compile(r"(?:a|as|ción|ciones|sión|siones|dad|dades|tud)$")
_MASCULINE = re.compile(r"(?:[oe]s?|les|res|nes|ores|or|ón|ín|il|al|és|eses|días?|mapas?|emas?|amas?)$")
_NOT_NOUNS = frozenset(
    listed(
        "de del al el la los las lo le les se me te en para por con sin que como no es este esta ese esa o ni "
        "era fue son han sobre entre desde hasta hace pero donde cuando una uno dos tres porque"
    )
)


_GENDERS = dict.fromkeys(listed("día año me pie gol bar"), "m")
_GENDERS |= dict.fromkeys(
    listed("mano foto moto noche tarde clase parte calle llave nube serie imagen vez voz red flor clave nave torre"),
    "f",
)


def _gender(word: str, number: int) -> str:
    if known := _GENDERS.get(word.removesuffix("s")):
        return known
    if word in _NOT_NOUNS or len(word) < 4 or not word.islower():
        return ""
    if re.search(r"(?:días?|mapas?|emas?|amas?|planetas?)$", word):
        return "m"
    return "f" if _FEMININE.search(word) else "m" if _MASCULINE.search(word) else ""


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{'primero' if day == 1 else numbers.cardinal(day, 'es')} de {MONTHS[month - 1]}"
    return words if year is None else f"{words} de {numbers.cardinal(year, 'es')}"


def _clock(hour: int, minute: int, before: str) -> str:
    words = _agree(numbers.cardinal(hour, "es"), hour, "f")
    if minute:
        return f"{words} y {numbers.cardinal(minute, 'es')}"
    return words if before in ("las", "la") else words + (" horas" if hour > 1 else " hora")


_QUEENS = frozenset(listed("Isabel Catalina María Juana Cristina Victoria Margarita Beatriz"))


def _regnal(number: int, name: str) -> str:
    if number > 10:
        return numbers.cardinal(number, "es")
    return ordinal(number, "ª" if name in _QUEENS else "º")


_PHONE = re.compile(r"(?<![\w.,/+-])(?:9\d \d{3} \d\d \d\d|[679]\d\d(?: \d{3} \d{3}| \d\d \d\d \d\d))(?!\w|[., ]\d)")


_NUMBERED = "República|Guerra|Cruzada|Edición|Congreso|Concilio|Reich|Festival|Premio|Torneo|[Mm]ilenio"


def _rules(numerals: Numerals) -> Sequence[Rule]:
    def read_ordinal(match: re.Match[str]) -> str:
        number, ending = int(match["number"]), match["ending"]
        shortened = ending in ("º", "°") and number % 10 in (1, 3) and word_after(match)[:1].islower()
        return ordinal(number, "er" if shortened and _gender(word_after(match), number) == "m" else ending)

    def read_numbered(match: re.Match[str]) -> str:
        return ordinal(roman_value(match["roman"]), "ª" if _gender(word_after(match).lower(), 1) == "f" else "º")

    number = r"(?<![\w.,+−-])(?P<number>\d{1,3})"
    return (
        spaced(
            "ordinal",
            re.compile(rf"{number}\.?(?P<ending>[ºª]|°(?= [^\W\d_])|er|[rdtm][oa]s?|v[oa])(?!\w| ?[CF]\b)"),
            read_ordinal,
        ),
        spaced("roman", re.compile(rf"{ROMAN}(?= (?:{_NUMBERED})\b)"), read_numbered),
        spaced("phone", _PHONE, lambda match: ", ".join(map(numerals.digits, match[0].split(" ")))),
    )


WORDS = Words(
    numbers="es",
    decimal="coma",
    point="punto",
    minus="menos",
    months=MONTHS,
    month_abbreviations={
        "ene.": 1,
        "feb.": 2,
        "abr.": 4,
        "ago.": 8,
        "sept.": 9,
        "sep.": 9,
        "oct.": 10,
        "nov.": 11,
        "dic.": 12,
        "setiembre": 9,
    },
    month_link=r"(?:\.?º)?\s(?:de\s)?",
    year_link=r"\s(?:del?\s)?",
    month_and_year="{month} de {year}",
    date=_date,
    clock=_clock,
    clock_signs="horas?|hrs?\\.?|h",
    clock_leads=("las", "la"),
    agree=_agree,
    guess_gender=_gender,
    labels=frozenset(
        listed(
            "siglo s capítulo página páginas número tomo volumen parte acto escena nivel fase tipo grupo sala "
            "puerta línea versión artículo lección unidad tema etapa episodio temporada habitación piso título "
            "sección aula calle avenida menos más por coma punto opción paso ejercicio figura tabla clase"
        )
    ),
    after_magnitude=lambda noun: f" de {noun}",
    cents="con {cents}",
    currencies=nouns(
        {
            "€": "m|euro|euros",
            "$": "m|dólar|dólares",
            "£": "f|libra|libras",
            "¥": "m|yen|yenes",
            "CHF": "m|franco suizo|francos suizos",
            "₽": "m|rublo|rublos",
            "₹": "f|rupia|rupias",
            "R$": "m|real|reales",
            "zł": "m|esloti|eslotis",
            "kr": "f|corona|coronas",
            "Kč": "f|corona|coronas",
            "MXN": "m|peso|pesos",
        }
    ),
    cent_names=nouns(
        {"€": "m|céntimo|céntimos", "$": "m|centavo|centavos", "£": "m|penique|peniques", "CHF": "m|céntimo|céntimos"}
    ),
    magnitudes=nouns(
        {
            "M": "m|millón|millones",
            "mill.": "m|millón|millones",
            "mil": "m|mil",
            "millón": "m|millón|millones",
            "millones": "m|millón|millones",
            "billón": "m|billón|billones",
            "billones": "m|billón|billones",
        }
    ),
    units=nouns(
        {
            "%": "|por ciento",
            "‰": "|por mil",
            "°": "m|grado|grados",
            "°C": "m|grado Celsius|grados Celsius",
            "°F": "m|grado Fahrenheit|grados Fahrenheit",
            "m": "m|metro|metros",
            "km": "m|kilómetro|kilómetros",
            "cm": "m|centímetro|centímetros",
            "mm": "m|milímetro|milímetros",
            "dm": "m|decímetro|decímetros",
            "g": "m|gramo|gramos",
            "l": "m|litro|litros",
            "B": "m|byte|bytes",
            "W": "m|vatio|vatios",
            "Wh": "m|vatio hora|vatios hora",
            "Pa": "m|pascal|pascales",
            "Hz": "m|hercio|hercios",
            "V": "m|voltio|voltios",
            "t": "f|tonelada|toneladas",
            "h": "f|hora|horas",
            "min": "m|minuto|minutos",
            "s": "m|segundo|segundos",
            "seg": "m|segundo|segundos",
            "ms": "m|milisegundo|milisegundos",
            "ha": "f|hectárea|hectáreas",
            "dB": "m|decibelio|decibelios",
            "px": "m|píxel|píxeles",
            "kcal": "f|kilocaloría|kilocalorías",
            "Mbit": "m|megabit|megabits",
        }
    ),
    prefixes={"h": "hecto", "k": "kilo", "M": "mega", "G": "giga", "T": "tera", "c": "centi", "d": "deci", "m": "mili"},
    square=("{} cuadrado", "{} cuadrados"),
    cube=("{} cúbico", "{} cúbicos"),
    per={
        "h": "por hora",
        "s": "por segundo",
        "min": "por minuto",
        "kg": "por kilogramo",
        "l": "por litro",
        "m²": "por metro cuadrado",
    },
    per_word="por",
    over="barra",
    fractions={(1, 2): "medio"},
    denominators={
        3: ("tercio", "tercios"),
        4: ("cuarto", "cuartos"),
        5: ("quinto", "quintos"),
        6: ("sexto", "sextos"),
        7: ("séptimo", "séptimos"),
        8: ("octavo", "octavos"),
        9: ("noveno", "novenos"),
        10: ("décimo", "décimos"),
        100: ("centésimo", "centésimos"),
    },
    fraction_of=" de ",
    half="y medio",
    half_feminine="y media",
    halves={"f": "media"},
    half_last=True,
    mixed="y",
    squared="al cuadrado",
    cubed="al cubo",
    power="elevado a",
    times="por",
    times_after="veces",
    divided="entre",
    range="a",
    ratio="a",
    number_sign="número",
    address={
        "dot": "punto",
        "slash": "barra",
        "backslash": "barra invertida",
        "colon": "dos puntos",
        "at": "arroba",
        "dash": "guion",
        "underscore": "guion bajo",
        "plus": "más",
        "tilde": "virgulilla",
        "hashtag": "hashtag",
        "point": "punto",
        "version": "versión",
    },
    abbreviations={
        "p. ej.": "por ejemplo",
        "EE. UU.": "Estados Unidos",
        "EE.UU.": "Estados Unidos",
        "etc.": "etcétera",
        "Ud.": "usted",
        "Uds.": "ustedes",
        "aprox.": "aproximadamente",
        "máx.": "máximo",
        "mín.": "mínimo",
        "a. C.": "antes de Cristo",
        "d. C.": "después de Cristo",
        "tel.": "teléfono",
        "av.": "avenida",
        "avda.": "avenida",
        "c/": "calle",
        "a. m.": "de la mañana",
        "p. m.": "de la tarde",
    },
    titles={
        "Sr.": "señor",
        "Sra.": "señora",
        "Srta.": "señorita",
        "Sres.": "señores",
        "Dr.": "doctor",
        "Dra.": "doctora",
        "D.": "don",
        "Dña.": "doña",
        "Prof.": "profesor",
        "Sta.": "santa",
        "Sto.": "santo",
    },
    counters={
        "n.º": "número",
        "n.°": "número",
        "nº": "número",
        "n°": "número",
        "núm.": "número",
        "s.": "siglo",
        "pág.": "página",
        "págs.": "páginas",
        "p.": "página",
        "art.": "artículo",
        "cap.": "capítulo",
        "vol.": "volumen",
        "fig.": "figura",
    },
    closing=frozenset(["etc.", "EE. UU.", "EE.UU.", "a. C.", "d. C.", "a. m.", "p. m."]),
    signs={
        "+": "más",
        "−": "menos",
        "=": "igual a",
        "×": "por",
        "÷": "entre",
        "<": "menor que",
        ">": "mayor que",
        "≤": "menor o igual que",
        "≥": "mayor o igual que",
        "±": "más menos",
        "≈": "aproximadamente",
        "≠": "distinto de",
        "~": "aproximadamente",
        "∞": "infinito",
        "√": "raíz de",
        "→": "flecha",
        "&": "y",
        "§": "párrafo",
        "©": "copyright",
        "®": "marca registrada",
        "™": "marca",
        "°": "grados",
        "%": "por ciento",
        "‰": "por mil",
        "/": "barra",
        "\\": "barra invertida",
        "@": "arroba",
        "#": "almohadilla",
        "_": "guion bajo",
        "^": "elevado a",
        "µ": "micro",
    },
    rulers=frozenset(
        listed(
            "Felipe Carlos Alfonso Isabel Fernando Juan Pablo Pío Benedicto León Enrique Luis Francisco Jorge "
            "Eduardo Napoleón Pedro Catalina María Alejandro Nicolás Guillermo Leopoldo José Jaime Sancho"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
