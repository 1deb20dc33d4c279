"""Japanese numbers in words, in Chinese characters."""

from __future__ import annotations

import re

from gateway.text.normalize import numbers
from gateway.text.normalize.cjk import fold

_ONE_THOUSAND = re.compile("(?<![一二三四五六七八九])千(?=[万億兆京])")
_DIGITS = ["ゼロ", "一", "二", "三", "四", "五", "六", "七", "八", "九"]


def cardinal(number: int) -> str:
    """A cardinal number of up to 16 digits."""
    return _ONE_THOUSAND.sub("一千", numbers.cardinal(number, "ja")) if number else "ゼロ"


def digits(written: str) -> str:
    """Digits one by one; other characters are left out."""
    return "".join(_DIGITS[int(char)] for char in fold(written) if char.isdecimal())


def number(written: str) -> str:
    """A number as written: ``-1,234.50``. One that starts with needless zeros is read digit by digit."""
    plain = fold(written).replace(",", "").replace(" ", "")
    sign = {"-": "マイナス", "+": "プラス", "±": "プラスマイナス"}.get(plain[:1], "")
    whole, _, decimals = plain.lstrip("-+±").partition(".")
    if decimals:
        return f"{sign}{cardinal(int(whole)) if int(whole) else '零'}点{digits(decimals)}"
    return sign + (digits(whole) if len(whole) > 1 and whole[0] == "0" else cardinal(int(whole)))


def fraction(numerator: int, denominator: int) -> str:
    """A fraction: 3/4 is 四分の三."""
    return f"{cardinal(denominator)}分の{cardinal(numerator)}"


def model_number(written: str) -> str:
    """A number in a name: up to two digits, round hundreds and decimals as a number, others digit by digit."""
    parts = fold(written).split(".")
    whole = parts[0]
    read = number(whole) if len(whole) < 3 or (whole.endswith("00") and len(whole) < 5) else digits(whole)
    return "点".join([read, *map(digits, parts[1:])])
