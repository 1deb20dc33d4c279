"""Chinese numbers in words."""

from __future__ import annotations

import re

from gateway.text.normalize.cjk import fold

_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")

# Words after which two is 两: measure words, units and powers of ten.
_MEASURES = (
    "个|個|位|名|只|隻|头|頭|条|條|张|張|本|件|台|臺|辆|輛|部|家|座|颗|顆|杯|瓶|"
    "碗|盘|盤|斤|公|千|克|吨|噸|米|厘米|毫|升|度|倍|种|種|场|場|局|轮|輪|项|項|"
    "步|句|段|集|季|幕|章|次|天|周|週|星期|年|岁|歲|小时|小時|分|秒|点|點|时|時|"
    "块|塊|元|毛|角|美元|美金|欧元|歐元|港|日元|人|口|份|套|双|雙|对|對|群|批|支|"
    "枝|把|根|片|面|栋|棟|间|間|扇|封|道|遍|趟|回|顿|頓|匹|架|艘|发|發|团|團|篇|"
    "幅|首|门|門|科|笔|筆|样|樣|堆|包|袋|箱|盒|罐|串|束|株|棵|朵|滴|粒|排|行|列|"
    "组|組|节|節|课|課|桌|桶|大|类|類|款|连胜|連勝|百|万|萬|亿|億|平方|立方|亩|畝|"
    "英|海里|光年|兆|页|頁|字|者|国|國|岸|地|边|邊|侧|側|旁|端|极|極|院|会|會|"
    "层楼|層樓|所|处|處|股|勺|汤|湯|瓣|刻钟|刻鐘|声|聲|眼|代人|成|任"
)
_TWO_BEFORE = re.compile(rf"\s?(?:{_MEASURES})")
_TWO_STAYS = re.compile(
    r"\s?(?:月|年级|年級|年生|周目|人转|次方|次元|次函数|次方程|等|极管|極管|进制|進制|分之|分法|分查找|百五|大爷|大爺|把手|手)"
)


def cardinal(number: int) -> str:
    """A cardinal number of up to 16 digits; 200 is 两百 and 2000 is 两千, but 220 is 二百二十."""
    return _read(number, first=True) or "零"


def _read(number: int, first: bool) -> str:
    """A number's words; empty for 0.

    :param first: it is not after other words of the same number: 十二 and 两千, but 一百一十二 and 一千二百.
    """
    for unit, name in ((10**8, "亿"), (10**4, "万")):
        if number >= unit:
            high, low = divmod(number, unit)
            head = "两" if high == 2 else _read(high, first)
            zero = "零" if 0 < low < unit // 10 else ""
            return head + name + zero + _read(low, first=False)
    words = ""
    for power in range(3, -1, -1):
        digit = number // 10**power % 10
        if digit:
            zero = "零" if words and number // 10 ** (power + 1) % 10 == 0 else ""
            two = "两" if first and not words and (power == 3 or number == 200) else "二"
            words += zero + (two if digit == 2 else _DIGITS[digit]) + _PLACES[power]
    return words[1:] if first and 10 <= number < 20 else words


def digits(written: str, one: str = "一") -> str:
    """Digits one by one; other characters are left out.

    :param one: 幺 in numbers of telephones, rooms, flights and number plates.
    """
    return "".join(_DIGITS[int(char)] for char in fold(written) if char.isdecimal()).replace("一", one)


def number(written: str) -> str:
    """A number as written: ``-1,234.50``. One that starts with needless zeros is read digit by digit."""
    plain = fold(written).replace(",", "").replace(" ", "")
    sign = {"-": "负", "+": "正", "±": "正负"}.get(plain[:1], "")
    whole, _, decimals = plain.lstrip("-+±").partition(".")
    read = digits(whole) if len(whole) > 1 and whole[0] == "0" else cardinal(int(whole))
    return sign + read + ("点" + digits(decimals) if decimals else "")


def is_counted(following: str) -> bool:
    """Whether the text after a number is a measure word."""
    return _TWO_BEFORE.match(following) is not None


def amount(written: str, following: str) -> str:
    """A number before a word: two is 两 before a measure word.

    :param following: the text after it, or the word.
    """
    read = number(written)
    if not read.endswith("二") or fold(written).lstrip("-+±") != "2":
        return read
    return read[:-1] + "两" if is_counted(following) and not _TWO_STAYS.match(following) else read


def fraction(numerator: int, denominator: int) -> str:
    """A fraction: 3/4 is 四分之三."""
    return f"{cardinal(denominator)}分之{cardinal(numerator)}"
