"""Chinese dates and times."""

from __future__ import annotations

import re

from gateway.text.normalize.chinese.numbers import amount, cardinal, digits, number
from gateway.text.normalize.chinese.rules import RANGE_FOLLOWS, TO, rule
from gateway.text.normalize.cjk import START, after

_SEASON = "赛季|賽季|学年|學年|财年|財年"
_EDITION = (
    f"{_SEASON}|届|屆|款|版(?!本)|春晚|春运|春夏|秋冬|奥运|奧運|世界杯|世界盃|欧洲杯|歐洲盃|"
    "世锦赛|亚运|亞運|高考|跨年|大选|大選"
)
_DURATION = after("用时 用時 时长 時長 片长 片長 成绩 成績 耗时 耗時 历时 歷時 跑出")


def _year(match: re.Match[str]) -> str | None:
    """A year digit by digit, and a number of years as a cardinal."""
    first, second = match[1], match[2]
    if max(len(first), len(second or "")) < 4 or not all(
        1000 < int(year) < 3000 for year in (first, second) if year and len(year) == 4
    ):
        return None
    return digits(first) + (f"到{digits(second)}" if second else "")


def _date(year: str, month: str, day: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{digits(year)}年{cardinal(int(month))}月{cardinal(int(day))}日"


def _year_first(match: re.Match[str]) -> str | None:
    read = _date(match[1], match[3], match[4])
    return read and read + ("到" if match["to"] else "")


def _year_last(match: re.Match[str]) -> str | None:
    first, second = int(match[1]), int(match[3])
    return _date(match[4], match[1], match[3]) if first <= 12 else _date(match[4], str(second), str(first))


def _days(match: re.Match[str]) -> str | None:
    """Days or months by their number, in which two is never 两."""
    numbers = [cardinal(int(written)) for written in match.groups() if written and written.isdecimal()]
    return "到".join(numbers)


def _hours(match: re.Match[str]) -> str:
    return "到".join(amount(str(int(written)), "点") for written in match.groups() if written)


def _clock(match: re.Match[str]) -> str | None:
    hour, minute, second = match["hour"], match["minute"] or "00", match["second"]
    half = (match["half"] or "").lower().replace(".", "").strip()
    if int(hour) > 24 or int(minute) > 59 or int(second or 0) > 59:
        return None
    read = f"{amount(str(int(hour)), '点')}点"
    second = None if second == "00" else second
    if minute != "00" or second:
        read += f"{_padded(minute)}分"
    if second:
        read += f"{_padded(second)}秒"
    if half and not re.search(
        "[上下中]午|凌晨|早上|晚上|傍晚|清晨|夜里", match.string[max(0, match.start() - 3) : match.start()]
    ):
        read = ("上午" if half == "am" else "晚上" if 6 <= int(hour) < 12 else "下午") + read
    return read + ("到" if match["to"] else "")


def _padded(written: str) -> str:
    value = int(written)
    return "零" if value == 0 else cardinal(value) if value > 9 else f"零{cardinal(value)}"


def _duration(match: re.Match[str]) -> str | None:
    units = ("小时", "分", "秒") if match[3] else ("分", "秒")
    parts = [written for written in match.groups() if written]
    if any(int(float(part)) > 59 for part in parts[1:]):
        return None
    read = [
        amount(part if "." in part else str(int(part)), unit) + unit for part, unit in zip(parts, units, strict=True)
    ]
    return "".join(read)


_HALF = r"(?P<half>\s?(?:[aApP]\.?[mM]\.?)(?![A-Za-z]))"
DATE_RULES = (
    rule(
        "date",
        rf"(?<![\d/-])(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?!\d|\2\d)(?:T(?=\d))?{RANGE_FOLLOWS}",
        _year_first,
    ),
    rule("date", r"(?<![\d/.-])(\d{1,2})([-/.])(\d{1,2})\2((?:19|20)\d\d)(?!\d)", _year_last),
    rule("date", rf"(?<![\d/-])(\d{{4}})[-/–](\d{{2}})(?={_SEASON})", lambda m: f"{digits(m[1])}到{digits(m[2])}"),
    rule(
        "date",
        r"(?<![\d/.-])((?:19|20)\d\d)(?:[-/](0[1-9]|1[0-2])|/([1-9]))(?![\d/%-])",
        lambda m: f"{digits(m[1])}年{cardinal(int(m[2] or m[3]))}月",
    ),
    rule(
        "date",
        rf"{START}(\d{{2,4}})(?:{TO}(\d{{2,4}}))?(?=\s?(?:年(?!历史|歷史|的历史|的歷史|文明|之久|级|級)|{_EDITION}))",
        _year,
    ),
    rule("date", rf"{after('公元 公元前 西元 西元前')}(\d{{3,4}})(?=年)", lambda m: digits(m[1])),
    rule(
        "date",
        rf"{START}(\d\d)(?=年\d{{1,2}}月|年出生|年毕业|年畢業|年入学|年入學|后(?!面|来|边)|後(?!面|來|邊))",
        lambda m: digits(m[1]),
    ),
    rule("date", rf"{START}(0\d)(?=年)", lambda m: digits(m[1])),
    rule("date", rf"{START}(\d{{3}}0)'?s(?![A-Za-z])", lambda m: f"{digits(m[1])}年代"),
    rule("date", rf"{START}(\d{{1,2}})(?:{TO}(\d{{1,2}}))?(?=\s?月(?!亮|球|饼|餅))", _days),
    rule("date", rf"(?<=月)\s?(\d{{1,2}})(?:{TO}(\d{{1,2}}))?(?=\s?[日号號])", _days),
    rule("date", rf"{START}(\d{{1,2}})(?:{TO}(\d{{1,2}}))?(?=日(?![内內游遊元圆]|之内|之內|本))", _days),
    rule("date", rf"{START}(\d{{1,2}})(?:{TO}(\d{{1,2}}))?(?=[号號])", _days),
    rule(
        "date",
        r"(?<![\d/])(\d{1,2})/(\d{1,2})(?=\s?[（(]?(?:[周週][一二三四五六日]|星期|[一二三四五六日][）)]))",
        lambda m: f"{cardinal(int(m[1]))}月{cardinal(int(m[2]))}日",
    ),
    rule("date", r"(?<!\d)(\d{1,2})[·•・](\d{1,2})(?!\d)", lambda m: digits(m[1]) + digits(m[2])),
    rule("date", r"(?<![\d.])11[./]11(?![\d.])", lambda _: "双十一"),
    rule(
        "date",
        r"(?<![\d.])(\d{1,2}[./]\d{1,2}|618|315|520|911|1024)(?=大促|晚会|晚會|购物|購物|狂欢|年中|事件|消费者|恐袭|恐怖|节|節|放假|假期|长假|小长假|劳动|地震|国庆)",
        lambda m: digits(m[1]),
    ),
    rule("date", r"(?<=[日号號])\s?[-–—~～〜]{1,2}\s?(?=\d)", lambda _: "到"),
    rule(
        "time",
        rf"{_DURATION}(?<![\d:：])(\d{{1,3}})[:：](\d{{2}}(?:\.\d{{1,3}})?)(?:[:：](\d{{2}}(?:\.\d{{1,3}})?))?(?![\d:：])",
        _duration,
    ),
    rule(
        "time",
        rf"(?<!\d[:：])(?<![\d.])(?P<hour>\d{{1,2}})[:：](?P<minute>\d{{2}})(?:[:：](?P<second>\d{{2}})(?:\.\d{{1,6}})?)?(?:{_HALF}|Z(?![A-Za-z])|(?![\d:：])){RANGE_FOLLOWS}",
        _clock,
    ),
    rule("time", rf"{START}(?P<hour>\d{{1,2}})(?P<minute>)(?P<second>){_HALF}{RANGE_FOLLOWS}", _clock),
    rule(
        "time",
        rf"{START}(\d{{1,2}})(?:{TO}(\d{{1,2}}))?(?=\s?(?:[点點](?:[钟鐘半整左前后後到，。！？、]|\d{{1,2}}分|$)|[时時](?:[许許整，。]|\d)))",
        _hours,
    ),
    rule("time", r"(?<=[点點时時])\s?00\s?分(?!钟|鐘)", lambda _: ""),
    rule("time", r"(?<=[点點时時])\s?(\d{1,2})(?=\s?分)", lambda m: number(m[1])),
    rule("time", r"(?<![\d/])24\s?/\s?7(?![\d/])(?:小时|小時)?", lambda _: "七乘二十四小时"),
    rule(
        "time",
        r"(?<![\d.])(\d{1,3})['′](\d{1,2}(?:\.\d{1,3})?)(?:[\"″]|'')",
        lambda m: f"{number(m[1])}分{number(m[2])}秒",
    ),
)
"""Dates and times. Later rules of numbers read the rest, e.g. the hour in 8点半."""
