"""Arabic: words.

Numbers are read in the masculine form of counting, without case endings; ordinal numbers are not written with digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.normalize import numbers
from gateway.text.normalize.european.numerals import NUMBER, Numerals
from gateway.text.normalize.european.words import Number, Words, listed, nouns
from gateway.text.normalize.rules import Rule

MONTHS = listed("يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر")


def _agree(words: str, number: int, gender: str) -> str:
    words = words.replace(" و ", " و")  # the conjunction is written as part of the next word
    return re.sub(r"(مئتا|ألفا|مليونا)$", r"\1ن", words)  # num2words: the form before a noun


def _read(number: int) -> str:
    return _agree(numbers.cardinal(number, "ar"), number, "")


def _plural(number: Number) -> int:
    return int(number.value is not None and 3 <= number.value % 100 <= 10)


def _date(day: int, month: int, year: int | None, before: str) -> str:
    words = f"{_read(day)} {MONTHS[month - 1]}"
    return words if year is None else f"{words} {_read(year)}"


def _clock(hour: int, minute: int, before: str) -> str:
    return f"{_read(hour)} و{_read(minute)} دقيقة" if minute else _read(hour)


def _rules(numerals: Numerals) -> Sequence[Rule]:
    def read_after_and(match: re.Match[str]) -> str | None:
        number = numerals.parse(match["number"])
        return number and "و" + numerals.number(number)

    return (Rule("cardinal", re.compile(rf"(?<!\w)و(?P<number>{NUMBER})(?!\w)"), read_after_and),)


WORDS = Words(
    numbers="ar",
    decimal="فاصلة",
    decimal_mark=".",
    point="فاصلة",
    minus="سالب",
    months=MONTHS,
    date=_date,
    clock=_clock,
    agree=_agree,
    plural=_plural,
    cents="و{cents} {name}",
    currencies=nouns(
        {
            "$": "|دولار|دولارات",
            "€": "|يورو",
            "£": "|جنيه|جنيهات",
            "¥": "|ين",
            "ر.س": "|ريال|ريالات",
            "SAR": "|ريال|ريالات",
            "AED": "|درهم|دراهم",
            "EGP": "|جنيه|جنيهات",
        }
    ),
    cent_names=nouns({"$": "|سنت|سنتات", "€": "|سنت|سنتات"}),
    magnitudes=nouns({"مليون": "|مليون|ملايين", "ملايين": "|مليون|ملايين", "مليار": "|مليار|مليارات"}),
    units=nouns(
        {
            "%": "|في المئة",
            "٪": "|في المئة",
            "°": "|درجة|درجات",
            "°C": "|درجة مئوية|درجات مئوية",
            "°م": "|درجة مئوية|درجات مئوية",
            "كم": "|كيلومتر|كيلومترات",
            "سم": "|سنتيمتر|سنتيمترات",
            "كغ": "|كيلوغرام|كيلوغرامات",
            "كجم": "|كيلوغرام|كيلوغرامات",
            "م": "|متر|أمتار",
            "m": "|متر|أمتار",
            "g": "|غرام|غرامات",
            "l": "|لتر|لترات",
            "B": "|بايت|بايتات",
            "Hz": "|هرتز",
            "W": "|واط",
        }
    ),
    prefixes={"k": "كيلو", "M": "ميغا", "G": "غيغا", "T": "تيرا", "c": "سنتي", "m": "ملي"},
    square=("{} مربع", "{} مربعة"),
    cube=("{} مكعب", "{} مكعبة"),
    per={"h": "في الساعة", "س": "في الساعة", "s": "في الثانية"},
    per_word="لكل",
    over="على",
    fractions={(1, 2): "نصف", (1, 3): "ثلث", (2, 3): "ثلثان", (1, 4): "ربع", (3, 4): "ثلاثة أرباع"},
    half="ونصف",
    mixed="و",
    squared="تربيع",
    cubed="تكعيب",
    power="أس",
    times="في",
    times_after="مرات",
    divided="على",
    range="إلى",
    ratio="إلى",
    number_sign="رقم",
    address={
        "dot": "نقطة",
        "slash": "شرطة مائلة",
        "backslash": "شرطة عكسية",
        "colon": "نقطتان",
        "at": "آت",
        "dash": "شرطة",
        "underscore": "شرطة سفلية",
        "plus": "زائد",
        "tilde": "تيلدا",
        "hashtag": "هاشتاغ",
        "point": "نقطة",
        "version": "الإصدار",
    },
    abbreviations={"إلخ.": "إلى آخره", "إلخ": "إلى آخره"},
    signs={
        "+": "زائد",
        "−": "ناقص",
        "=": "يساوي",
        "×": "في",
        "÷": "على",
        "<": "أصغر من",
        ">": "أكبر من",
        "≤": "أصغر من أو يساوي",
        "≥": "أكبر من أو يساوي",
        "±": "زائد أو ناقص",
        "≈": "يساوي تقريبا",
        "≠": "لا يساوي",
        "~": "حوالي",
        "∞": "ما لا نهاية",
        "√": "جذر",
        "→": "سهم",
        "&": "و",
        "§": "فقرة",
        "©": "حقوق النشر",
        "®": "علامة مسجلة",
        "™": "علامة تجارية",
        "°": "درجة",
        "%": "في المئة",
        "٪": "في المئة",
        "‰": "في الألف",
        "/": "شرطة مائلة",
        "\\": "شرطة عكسية",
        "@": "آت",
        "#": "رقم",
        "_": "شرطة سفلية",
        "^": "أس",
        "µ": "ميكرو",
    },
    rules=_rules,
)
