"""Russian: words, agreement and ordinal numbers.

Ordinal numbers are inflected in dates, years, centuries and after a written ending. Other numbers are read in the
nominative case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.context import ROMAN, roman_value, word_before
from gateway.text.normalize.european.numerals import Numerals
from gateway.text.normalize.european.words import Number, Words, listed, nouns
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

MONTHS = listed("января февраля марта апреля мая июня июля августа сентября октября ноября декабря")

_THIRD = {
    "ый": "ий",
    "ого": "ьего",
    "ому": "ьему",
    "ом": "ьем",
    "ым": "ьим",
    "ая": "ья",
    "ой": "ьей",
    "ую": "ью",
    "ое": "ье",
    "ые": "ьи",
    "ых": "ьих",
}


def ordinal(number: int, ending: str) -> str:
    """An ordinal number with a case ending: ``ый`` for the dictionary form, or another key of the endings of третий."""
    words = numbers.ordinal(number, "ru")
    if words.endswith("третий"):
        return words[:-2] + _THIRD[ending]
    return words if ending == "ый" else words[:-2] + ending


def _agree(words: str, number: int, gender: str) -> str:
    words = words.removeprefix("одна ") if words.startswith("одна тысяча") else words
    if gender == "f":
        return re.sub(r"\bдва$", "две", re.sub(r"\bодин$", "одна", words))
    return re.sub(r"\bодин$", "одно", words) if gender == "n" else words


def _plural(number: Number) -> int:
    value = number.value
    if value is None:
        return 1
    if value % 10 == 1 and value % 100 != 11:
        return 0
    return 1 if value % 10 in (2, 3, 4) and value % 100 not in (12, 13, 14) else 2


def _gender(word: str, number: int) -> str:
    """By the ending of the noun: nominative after one, genitive after two."""
    if not word.islower() or len(word) < 3:
        return ""
    if _plural(Number(str(number))) == 0:
        return {"а": "f", "я": "f", "о": "n", "е": "n"}.get(word[-1], "m")
    return "f" if word[-1] in "иы" else "m"


_PARTS = {1: ("десятая", "десятых"), 2: ("сотая", "сотых"), 3: ("тысячная", "тысячных")}


def _decimals(integer: str, fraction: str) -> str | None:
    if (part := _PARTS.get(len(fraction))) is None or int(fraction) == 0:
        return None
    whole, rest = int(integer), int(fraction)
    return (
        f"{_agree(numbers.cardinal(whole, 'ru'), whole, 'f')} {'целая' if _plural(Number(integer)) == 0 else 'целых'}"
        f" {_agree(numbers.cardinal(rest, 'ru'), rest, 'f')} {part[min(1, _plural(Number(fraction)))]}"
    )


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{ordinal(day, 'ого')} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {ordinal(year, 'ого')} года"


_HOUR = ("час", "часа", "часов")


def _clock(hour: int, minute: int, before: str) -> str:
    words = numbers.cardinal(hour, "ru")
    if not minute:
        return f"{words} {_HOUR[_plural(Number(str(hour)))]}"
    return f"{words} {'ноль ' * (minute < 10)}{numbers.cardinal(minute, 'ru')}"


_QUEENS = re.compile(r"^(?:Екатерин|Елизавет|Анн|Мари|Виктори|Изабелл|Маргарит)")


def _regnal(number: int, name: str) -> str:
    if _QUEENS.match(name):
        return ordinal(number, "ая" if name[-1] in "ая" else "ую" if name[-1] in "ую" else "ой")
    endings = {"а": "ого", "я": "ого", "у": "ому", "ю": "ому", "м": "ым", "е": "ом"}
    return ordinal(number, endings.get(name[-1], "ый"))


_WRITTEN_ENDINGS = {"й": "ый", "ый": "ый", "я": "ая", "ая": "ая", "го": "ого", "ого": "ого", "му": "ому", "ому": "ому"}
_WRITTEN_ENDINGS |= {
    "м": "ом",
    "ом": "ом",
    "ым": "ым",
    "ю": "ую",
    "ую": "ую",
    "х": "ых",
    "ых": "ых",
    "ое": "ое",
    "е": "ое",
    "ые": "ые",
}


_IN_MONTH = "январе|феврале|марте|апреле|мае|июне|июле|августе|сентябре|октябре|ноябре|декабре"


def _rules(numerals: Numerals) -> Sequence[Rule]:
    def by_noun(noun: str) -> str:
        return "ом" if noun in ("году", "веке") else "ый" if noun in ("год", "век") else "ого"

    def read_year(match: re.Match[str]) -> str:
        noun = match["noun"]
        if noun in ("г.", "г"):
            noun = "году" if word_before(match) in ("в", "во", "о") else "года"
        return f"{ordinal(int(match['number']), by_noun(noun))} {noun}"

    def read_month_and_year(match: re.Match[str]) -> str:
        return f"{match['month']} {ordinal(int(match['number']), 'ого')} года"

    def read_century(match: re.Match[str]) -> str:
        noun = match["noun"]
        if noun == "в.":
            noun = "веке" if word_before(match) in ("в", "во", "о") else "века"
        return f"{ordinal(roman_value(match['roman']), by_noun(noun))} {noun}"

    def read_ordinal(match: re.Match[str]) -> str:
        number, ending = int(match["number"]), _WRITTEN_ENDINGS[match["ending"]]
        return ordinal(number, "ые" if match["ending"] == "е" and number % 10 == 0 and number >= 20 else ending)

    endings = "|".join(sorted(_WRITTEN_ENDINGS, key=len, reverse=True))
    return (
        spaced(
            "date",
            re.compile(rf"\b(?P<month>{_IN_MONTH}) (?P<number>[12]\d{{3}})(?: года| г\.)?(?!\w)"),
            read_month_and_year,
        ),
        spaced(
            "date",
            re.compile(r"(?<![\w.,-])(?P<number>[12]\d{3})[ \u00a0]?(?P<noun>году|года|год|г\.|г)(?!\w)"),
            read_year,
        ),
        spaced("roman", re.compile(rf"{ROMAN}[ \u00a0](?P<noun>веке|века|век|в\.)(?!\w)"), read_century),
        spaced(
            "ordinal", re.compile(rf"(?<![\w.,-])(?P<number>\d{{1,4}})[-‑](?P<ending>{endings})(?!\w)"), read_ordinal
        ),
    )


WORDS = Words(
    numbers="ru",
    decimal="запятая",
    point="точка",
    minus="минус",
    read_decimals=_decimals,
    months=MONTHS,
    month_abbreviations={"янв.": 1, "февр.": 2, "апр.": 4, "авг.": 8, "сент.": 9, "окт.": 10, "нояб.": 11, "дек.": 12},
    date=_date,
    year_sign=r"года|г\.|г",
    clock=_clock,
    clock_signs=r"ч\.|ч",
    agree=_agree,
    plural=_plural,
    guess_gender=_gender,
    labels=frozenset(listed("страница глава номер дом квартира том часть уровень версия статья пункт рисунок таблица")),
    cents="{cents} {name}",
    currencies=nouns(
        {
            "₽": "m|рубль|рубля|рублей",
            "руб.": "m|рубль|рубля|рублей",
            "руб": "m|рубль|рубля|рублей",
            "$": "m|доллар|доллара|долларов",
            "€": "n|евро",
            "£": "m|фунт|фунта|фунтов",
            "¥": "f|иена|иены|иен",
            "CHF": "m|франк|франка|франков",
            "₴": "f|гривна|гривны|гривен",
        }
    ),
    cent_names=nouns(
        {
            "₽": "f|копейка|копейки|копеек",
            "руб.": "f|копейка|копейки|копеек",
            "руб": "f|копейка|копейки|копеек",
            "$": "m|цент|цента|центов",
            "€": "m|цент|цента|центов",
        }
    ),
    magnitudes=nouns(
        {
            "тыс.": "f|тысяча|тысячи|тысяч",
            "млн": "m|миллион|миллиона|миллионов",
            "млн.": "m|миллион|миллиона|миллионов",
            "млрд": "m|миллиард|миллиарда|миллиардов",
            "млрд.": "m|миллиард|миллиарда|миллиардов",
        }
    ),
    units=nouns(
        {
            "%": "m|процент|процента|процентов",
            "‰": "f|промилле",
            "°": "m|градус|градуса|градусов",
            "°C": "m|градус Цельсия|градуса Цельсия|градусов Цельсия",
            "°С": "m|градус Цельсия|градуса Цельсия|градусов Цельсия",
            "мм": "m|миллиметр|миллиметра|миллиметров",
            "см": "m|сантиметр|сантиметра|сантиметров",
            "м": "m|метр|метра|метров",
            "км": "m|километр|километра|километров",
            "м²": "m|квадратный метр|квадратных метра|квадратных метров",
            "км²": "m|квадратный километр|квадратных километра|квадратных километров",
            "кв. м": "m|квадратный метр|квадратных метра|квадратных метров",
            "м³": "m|кубический метр|кубических метра|кубических метров",
            "г": "m|грамм|грамма|граммов",
            "мг": "m|миллиграмм|миллиграмма|миллиграммов",
            "кг": "m|килограмм|килограмма|килограммов",
            "т": "f|тонна|тонны|тонн",
            "мл": "m|миллилитр|миллилитра|миллилитров",
            "л": "m|литр|литра|литров",
            "мин": "f|минута|минуты|минут",
            "мин.": "f|минута|минуты|минут",
            "сек": "f|секунда|секунды|секунд",
            "сек.": "f|секунда|секунды|секунд",
            "Вт": "m|ватт|ватта|ватт",
            "кВт": "m|киловатт|киловатта|киловатт",
            "Гц": "m|герц|герца|герц",
            "ГБ": "m|гигабайт|гигабайта|гигабайт",
            "МБ": "m|мегабайт|мегабайта|мегабайт",
            "ТБ": "m|терабайт|терабайта|терабайт",
            "коп.": "f|копейка|копейки|копеек",
            "шт.": "f|штука|штуки|штук",
            "B": "m|байт|байта|байт",
            "Hz": "m|герц|герца|герц",
            "kg": "m|килограмм|килограмма|килограммов",
            "km": "m|километр|километра|километров",
            "cm": "m|сантиметр|сантиметра|сантиметров",
        }
    ),
    prefixes={"k": "кило", "M": "мега", "G": "гига", "T": "тера"},
    per={"ч": "в час", "с": "в секунду", "мин": "в минуту", "кг": "за килограмм", "л": "на литр"},
    per_word="в",
    over="дробь",
    fractions={(1, 2): "одна вторая", (1, 3): "одна треть", (2, 3): "две трети", (1, 4): "четверть"},
    denominators={
        3: ("третья", "третьих"),
        4: ("четвёртая", "четвёртых"),
        5: ("пятая", "пятых"),
        6: ("шестая", "шестых"),
        8: ("восьмая", "восьмых"),
        10: ("десятая", "десятых"),
    },
    fraction_gender="f",
    fraction_form=1,
    half="с половиной",
    mixed="и",
    squared="в квадрате",
    cubed="в кубе",
    power="в степени",
    times="умножить на",
    times_after="раза",
    divided="разделить на",
    range="–",
    ratio="–",
    number_sign="номер",
    address={
        "dot": "точка",
        "slash": "слэш",
        "backslash": "обратный слэш",
        "colon": "двоеточие",
        "at": "собака",
        "dash": "дефис",
        "underscore": "нижнее подчёркивание",
        "plus": "плюс",
        "tilde": "тильда",
        "hashtag": "хештег",
        "point": "точка",
        "version": "версия",
    },
    abbreviations={
        "т. е.": "то есть",
        "т. д.": "так далее",
        "т. п.": "тому подобное",
        "т. к.": "так как",
        "др.": "другие",
        "тел.": "телефон",
        "н. э.": "нашей эры",
        "см.": "смотри",
        "напр.": "например",
    },
    titles={"ул.": "улица", "пр.": "проспект", "г.": "город", "им.": "имени", "проф.": "профессор"},
    counters={
        "№": "номер",
        "стр.": "страница",
        "с.": "страница",
        "д.": "дом",
        "кв.": "квартира",
        "каб.": "кабинет",
        "рис.": "рисунок",
        "гл.": "глава",
        "ст.": "статья",
        "п.": "пункт",
        "ок.": "около",
    },
    closing=frozenset(["т. д.", "т. п.", "др.", "н. э."]),
    signs={
        "+": "плюс",
        "−": "минус",
        "=": "равно",
        "×": "умножить на",
        "÷": "разделить на",
        "<": "меньше",
        ">": "больше",
        "≤": "меньше или равно",
        "≥": "больше или равно",
        "±": "плюс-минус",
        "≈": "примерно",
        "≠": "не равно",
        "~": "примерно",
        "∞": "бесконечность",
        "√": "корень из",
        "→": "стрелка",
        "&": "и",
        "§": "параграф",
        "№": "номер",
        "©": "копирайт",
        "®": "зарегистрированный знак",
        "™": "товарный знак",
        "°": "градусов",
        "%": "процентов",
        "‰": "промилле",
        "/": "слэш",
        "\\": "обратный слэш",
        "@": "собака",
        "#": "решётка",
        "_": "нижнее подчёркивание",
        "^": "в степени",
        "µ": "микро",
    },
    rulers=frozenset(
        listed(
            "Пётр Петр Петра Петре Николай Николая Александр Александра Иван Ивана Павел Павла Екатерина "
            "Екатерины Елизавета Елизаветы Людовик Людовика Карл Наполеон Пий Вильгельм Фридрих Генрих"
        )
    ),
    regnal=_regnal,
    rules=_rules,
)
