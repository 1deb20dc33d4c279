"""Japanese dates and times."""

from __future__ import annotations

import re

from gateway.text.normalize.cjk import START, after, rule
from gateway.text.normalize.japanese.numbers import cardinal, number

_RANGE = r"(?P<to>\s?[-–—−－~～〜]{1,2}\s?(?=\d|翌|午))?"
_TO = r"(?:\s?[-–—−－~～〜]{1,2}\s?(\d{1,4}))?"
_DURATION = after("記録 タイム 所要時間 再生時間 上映時間 収録時間", "[:：はが]")
_ERAS = {"R": "令和", "H": "平成", "S": "昭和", "T": "大正", "M": "明治"}
_KANJI_DIGITS = "〇一二三四五六七八九"


def _date(year: str | None, month: str, day: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return (f"{cardinal(int(year))}年" if year else "") + f"{cardinal(int(month))}月{cardinal(int(day))}日"


def _year_first(match: re.Match[str]) -> str | None:
    read = _date(match[1], match[3], match[4])
    return read and read + ("から" if match["to"] else "")


def _year_last(match: re.Match[str]) -> str | None:
    return _date(match[4], match[1], match[3]) if int(match[1]) <= 12 else _date(match[4], match[3], match[1])


def _month_day(match: re.Match[str]) -> str | None:
    """A date without a year; a fraction unless a weekday, a particle or the day says otherwise."""
    month, day = int(match[1]), int(match[2])
    continued = match.string[match.start() - 1 : match.start()] in ("〜", "～", "~")
    if match["weekday"] is None and not continued and day <= 10 and month < day:
        return None
    read = _date(None, match[1], match[2])
    return read and read + ("から" if match["to"] else "")


def _numbers(match: re.Match[str]) -> str:
    """A number of years, months, days or hours, or a range."""
    return "から".join(_zero(written) for written in match.groups() if written)


def _kanji_year(match: re.Match[str]) -> str:
    return cardinal(int("".join(str(_KANJI_DIGITS.index(char)) for char in match[0])))


def _clock(match: re.Match[str]) -> str | None:
    hour, minute, second = match["hour"], match["minute"] or "00", match["second"]
    if int(hour) > 29 or int(minute) > 59 or int(second or 0) > 59:
        return None
    half = fold_half(match["before"] or match["half"] or "")
    read = half + f"{cardinal(int(hour)) if int(hour) else '零'}時"
    second = None if second == "00" else second
    if minute != "00" or second:
        read += f"{_zero(minute)}分"
    if second:
        read += f"{_zero(second)}秒"
    return read + ("から" if match["to"] else "")


def _zero(written: str) -> str:
    return cardinal(int(written)) if int(written) else "零"


def fold_half(written: str) -> str:
    """午前 or 午後 for AM or PM."""
    letters = written.lower().replace(".", "").strip()
    return {"am": "午前", "pm": "午後"}.get(letters, "")


def _duration(match: re.Match[str]) -> str | None:
    parts = [written for written in match.groups() if written]
    if any(float(part) >= 60 for part in parts[1:]):
        return None
    units = ("時間", "分", "秒") if len(parts) == 3 else ("分", "秒")
    return "".join(
        (number(part) if "." in part else cardinal(int(part))) + unit for part, unit in zip(parts, units, strict=True)
    )


DATE_RULES = (
    rule("date", r"(?<![A-Za-z])([RHSTM])(\d{1,2})(?=年)", lambda m: f"{_ERAS[m[1]]}{cardinal(int(m[2]))}"),
    rule("date", rf"(?<![\d/-])(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?!\d|\2\d)(?:T(?=\d))?{_RANGE}", _year_first),
    rule("date", r"(?<![\d/.-])(\d{1,2})([-/.])(\d{1,2})\2((?:19|20)\d\d)(?!\d)", _year_last),
    rule(
        "date",
        r"(?<![\d/.-])((?:19|20)\d\d)(?:[-/](0[1-9]|1[0-2])|/([1-9]))(?![\d/%-])",
        lambda m: f"{cardinal(int(m[1]))}年{cardinal(int(m[2] or m[3]))}月",
    ),
    rule(
        "date",
        r"(?<![A-Za-z])([RHSTM])(\d{1,2})[./](\d{1,2})[./](\d{1,2})(?!\d)",
        lambda m: f"{_ERAS[m[1]]}{cardinal(int(m[2]))}年{_date(None, m[3], m[4]) or ''}",
    ),
    rule("date", rf"{START}(\d{{3}}0)'?s(?![A-Za-z])", lambda m: f"{cardinal(int(m[1]))}年代"),
    rule(
        "date",
        rf"(?<![\d/.])(\d{{1,2}})[/／](\d{{1,2}})(?![\d/])(?P<weekday>(?=\s?[（(][月火水木金土日・祝]|\s?(?:まで|から|に|付|開催|開始|締切|〆切|〜|～)))?{_RANGE}",
        _month_day,
    ),
    rule("date", rf"{START}(\d{{1,4}}){_TO}(?=\s?年(?!間|生|級|目|分|物|齢))", _numbers),
    rule("date", rf"{START}(\d{{1,2}}){_TO}(?=\s?月(?!額|間|謝))", _numbers),
    rule("date", rf"(?<=月)\s?(\d{{1,2}}){_TO}(?=\s?日)", _numbers),
    rule("date", "[一二三四五六七八九][〇一二三四五六七八九]{3}(?=年)", _kanji_year, "年"),
    rule(
        "time",
        rf"{_DURATION}(?<![\d:：])(\d{{1,3}})[:：](\d{{2}}(?:\.\d{{1,3}})?)(?:[:：](\d{{2}}(?:\.\d{{1,3}})?))?(?![\d:：])",
        _duration,
    ),
    rule(
        "time",
        rf"(?<!\d[:：])(?<![\d.])(?:(?<![A-Za-z])(?P<before>[AaPp]\.?[Mm]\.?)\s?)?(?P<hour>\d{{1,2}})[:：](?P<minute>\d{{2}})(?:[:：](?P<second>\d{{2}})(?:\.\d{{1,6}})?)?"
        rf"(?:(?P<half>\s?[AaPp]\.?[Mm]\.?)(?![A-Za-z])|Z(?![A-Za-z])|(?![\d:：])){_RANGE}",
        _clock,
    ),
    rule(
        "time",
        rf"{START}(?P<before>)(?P<hour>\d{{1,2}})(?P<minute>)(?P<second>)(?P<half>\s?[AaPp]\.?[Mm]\.?)(?![A-Za-z]){_RANGE}",
        _clock,
    ),
    rule("time", rf"{START}(\d{{1,2}}){_TO}(?=\s?時(?!間|代))", _numbers),
    rule("time", r"(?<=時)\s?00\s?分", lambda _: ""),
    rule("time", r"(?<=時)\s?(\d{1,2})(?=\s?分)", lambda m: _zero(m[1])),
    rule("time", r"(?<![\d/])24\s?/\s?7(?![\d/])", lambda _: "二十四時間三百六十五日"),
    rule(
        "time",
        r"(?<![\d.])(\d{1,3})['′](\d{1,2}(?:\.\d{1,3})?)(?:[\"″]|'')",
        lambda m: f"{number(m[1])}分{number(m[2])}秒",
    ),
)
"""Dates and times. Later rules of numbers read the rest, e.g. 2024 in 2024年度."""
