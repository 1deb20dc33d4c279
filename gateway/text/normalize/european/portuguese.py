"""Portuguese as spoken in Brazil: words, agreement and ordinal numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro")


def _agree(words: str, number: int, gender: str) -> str:
    if gender != "f":
        return words
    words = re.sub(r"(entos|enhentos)\b", lambda match: match[0][:-2] + "as", words)
    return re.sub(r"\bum$", "uma", re.sub(r"\bdois$", "duas", words))


def ordinal(number: int, ending: str) -> str:
    """An ordinal number with a written ending: ``º`` or ``ª``."""
    words = numbers.ordinal(number, "pt")
    return re.sub(r"o(?= |$)", "a", words) if ending in ("ª", "a") else words


_NOT_NOUNS = frozenset(listed("para pela pelas cada mesma essa esta uma nossa toda todas era fora"))


def _gender(word: str, number: int) -> str:
    if not word.islower() or len(word) < 3 or word in _NOT_NOUNS:
        return ""
    if re.search(r"(?:dias?|mapas?|emas?|amas?)$", word):
        return ""
    return "f" if re.search(r"(?:as?|ã|ãs|ção|ções|são|sões|dades?|gens?)$", word) else ""


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{'primeiro' if day == 1 else numbers.cardinal(day, 'pt_BR')} de {MONTHS[month - 1]}"
    return words if year is None else f"{words} de {numbers.cardinal(year, 'pt_BR')}"


def _clock(hour: int, minute: int, before: str) -> str:
    words = _agree(numbers.cardinal(hour, "pt_BR"), hour, "f")
    return f"{words} e {numbers.cardinal(minute, 'pt_BR')}" if minute else words + (" horas" if hour > 1 else " hora")


_QUEENS = frozenset(listed("Maria Isabel Catarina Elizabeth Elisabete Joana Leonor Vitória"))


def _regnal(number: int, name: str) -> str:
    return ordinal(number, "ª" if name in _QUEENS else "º") if number <= 10 else numbers.cardinal(number, "pt_BR")


_CPF = re.compile(r"(?<![\w.,-])\d{3}\.\d{3}\.\d{3}-\d\d(?!\w)")  # tax number


def _rules(numerals: Numerals) -> Sequence[Rule]:
    return (
        spaced("code", _CPF, lambda match: ", ".join(map(numerals.digits, re.split("[.-]", match[0])))),
        spaced(
            "ordinal",
            re.compile(r"(?<![\w.,+−-])(?P<number>\d{1,3})\.?(?P<ending>[ºª]|°(?= [^\W\d_]))(?!\w| ?[CF]\b)"),
            lambda match: ordinal(int(match["number"]), match["ending"]),
        ),
    )


WORDS = Words(
    numbers="pt_BR",
    decimal="vírgula",
    point="ponto",
    minus="menos",
    months=MONTHS,
    month_abbreviations={
        "jan.": 1,
        "fev.": 2,
        "mar.": 3,
        "abr.": 4,
        "ago.": 8,
        "set.": 9,
        "out.": 10,
        "nov.": 11,
        "dez.": 12,
    },
    month_link=r"[º°]?\s(?:de\s)?",
    year_link=r"\s(?:de\s)?",
    month_and_year="{month} de {year}",
    date=_date,
    clock=_clock,
    clock_signs="horas?|h",
    agree=_agree,
    guess_gender=_gender,
    labels=frozenset(
        listed(
            "século séc capítulo página número tomo volume parte ato cena nível fase tipo grupo sala versão artigo "
            "mais menos vezes por"
        )
    ),
    after_magnitude=lambda noun: f" de {noun}",
    cents="e {cents} {name}",
    currencies=nouns(
        {
            "R$": "m|real|reais",
            "€": "m|euro|euros",
            "$": "m|dólar|dólares",
            "£": "f|libra|libras",
            "¥": "m|iene|ienes",
            "CHF": "m|franco suíço|francos suíços",
            "₽": "m|rublo|rublos",
        }
    ),
    cent_names=nouns(
        {"R$": "m|centavo|centavos", "€": "m|cêntimo|cêntimos", "$": "m|centavo|centavos", "£": "m|penny|pence"}
    ),
    magnitudes=nouns(
        {
            "mi": "m|milhão|milhões",
            "bi": "m|bilhão|bilhões",
            "mil": "|mil",
            "milhão": "m|milhão|milhões",
            "milhões": "m|milhão|milhões",
            "bilhão": "m|bilhão|bilhões",
            "bilhões": "m|bilhão|bilhões",
        }
    ),
    units=nouns(
        {
            "%": "|por cento",
            "‰": "|por mil",
            "°": "m|grau|graus",
            "°C": "m|grau Celsius|graus Celsius",
            "°F": "m|grau Fahrenheit|graus Fahrenheit",
            "m": "m|metro|metros",
            "km": "m|quilômetro|quilômetros",
            "cm": "m|centímetro|centímetros",
            "mm": "m|milímetro|milímetros",
            "g": "m|grama|gramas",
            "kg": "m|quilo|quilos",
            "l": "m|litro|litros",
            "B": "m|byte|bytes",
            "W": "m|watt|watts",
            "Wh": "m|watt-hora|watts-hora",
            "Pa": "m|pascal|pascals",
            "Hz": "m|hertz",
            "V": "m|volt|volts",
            "t": "f|tonelada|toneladas",
            "h": "f|hora|horas",
            "min": "m|minuto|minutos",
            "s": "m|segundo|segundos",
            "ha": "m|hectare|hectares",
            "dB": "m|decibel|decibéis",
        }
    ),
    prefixes={
        "h": "hecto",
        "k": "quilo",
        "M": "mega",
        "G": "giga",
        "T": "tera",
        "c": "centi",
        "d": "deci",
        "m": "mili",
    },
    square=("{} quadrado", "{} quadrados"),
    cube=("{} cúbico", "{} cúbicos"),
    per={"h": "por hora", "s": "por segundo", "min": "por minuto", "kg": "por quilo", "l": "por litro"},
    per_word="por",
    over="barra",
    fractions={(1, 2): "meio"},
    denominators={
        3: ("terço", "terços"),
        4: ("quarto", "quartos"),
        5: ("quinto", "quintos"),
        6: ("sexto", "sextos"),
        8: ("oitavo", "oitavos"),
        10: ("décimo", "décimos"),
    },
    fraction_of=" de ",
    half="e meio",
    half_feminine="e meia",
    halves={"f": "meia"},
    half_last=True,
    mixed="e",
    squared="ao quadrado",
    cubed="ao cubo",
    power="elevado a",
    times="vezes",
    times_after="vezes",
    divided="dividido por",
    range="a",
    ratio="a",
    number_sign="número",
    address={
        "dot": "ponto",
        "slash": "barra",
        "backslash": "barra invertida",
        "colon": "dois pontos",
        "at": "arroba",
        "dash": "hífen",
        "underscore": "sublinhado",
        "plus": "mais",
        "tilde": "til",
        "hashtag": "hashtag",
        "point": "ponto",
        "version": "versão",
    },
    abbreviations={
        "p. ex.": "por exemplo",
        "etc.": "etcétera",
        "aprox.": "aproximadamente",
        "tel.": "telefone",
        "máx.": "máximo",
        "mín.": "mínimo",
        "a.C.": "antes de Cristo",
        "d.C.": "depois de Cristo",
        "EUA": "Estados Unidos",
    },
    titles={
        "Sr.": "senhor",
        "Sra.": "senhora",
        "Dr.": "doutor",
        "Dra.": "doutora",
        "Prof.": "professor",
        "Profa.": "professora",
        "D.": "dom",
        "Av.": "avenida",
        "R.": "rua",
        "Sto.": "santo",
        "Sta.": "santa",
    },
    counters={
        "n.º": "número",
        "nº": "número",
        "n°": "número",
        "séc.": "século",
        "pág.": "página",
        "p.": "página",
        "art.": "artigo",
        "cap.": "capítulo",
        "vol.": "volume",
    },
    closing=frozenset(["etc.", "a.C.", "d.C."]),
    signs={
        "+": "mais",
        "−": "menos",
        "=": "igual a",
        "×": "vezes",
        "÷": "dividido por",
        "<": "menor que",
        ">": "maior que",
        "≤": "menor ou igual a",
        "≥": "maior ou igual a",
        "±": "mais ou menos",
        "≈": "aproximadamente",
        "≠": "diferente de",
        "~": "aproximadamente",
        "∞": "infinito",
        "√": "raiz de",
        "→": "seta",
        "&": "e",
        "§": "parágrafo",
        "©": "copyright",
        "®": "marca registrada",
        "™": "marca",
        "°": "graus",
        "%": "por cento",
        "‰": "por mil",
        "/": "barra",
        "\\": "barra invertida",
        "@": "arroba",
        "#": "cerquilha",
        "_": "sublinhado",
        "^": "elevado a",
        "µ": "micro",
    },
    rulers=frozenset(
        listed(
            "Luís Carlos Afonso Isabel Fernando João Paulo Pio Bento Pedro Maria Henrique Filipe Jorge Eduardo "
            "Napoleão José Manuel Leopoldo"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
