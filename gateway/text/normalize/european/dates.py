"""Rules for dates, times, phone numbers and other groups of digits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.text.normalize.european.context import word_before
from gateway.text.normalize.european.numerals import Numerals, ascii_digits
from gateway.text.normalize.european.words import Number
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

_ISO = r"(?<![\w.,/-])(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?:T(?=\d)|(?!\w|-\d))"
_NUMERIC = r"(?<![\w.,/-])(?P<day>\d{1,2})(?P<mark>[./-])(?P<month>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})(?!\w|[./-]\d)"
_MONTH = re.compile(r"(?<![\w.,/-])(?P<month>0[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)(?![\w/]|[.,-]\d|\s?=)")
_SHORT = re.compile(r"(?<![\w.,/-])(?P<day>\d{1,2})/(?P<month>0\d|(?<=\d\d/)1[0-2])(?!\w|[./-]\d|\s?=)")

_ACCOUNT = re.compile(r"(?<=\b[A-Z]{2})\d\d(?: \d{4}){3,7}(?: \d{1,3})?(?!\w)")  # IBAN
_LONG_CODE = re.compile(r"(?<![\w.,/+-])\d{1,7}(?:-\d{1,7}){2,6}(?![\w-]|[.,]\d)")  # e.g. ISBN


def date_rules(numerals: Numerals) -> Iterable[Rule]:
    """Rules for dates, times and phone numbers of a language."""
    words = numerals.words
    months = {name.lower(): number for number, name in enumerate(words.months, 1)}
    months |= words.month_abbreviations
    names = "|".join(re.escape(name) for name in sorted(months, key=len, reverse=True))

    def read_date(match: re.Match[str]) -> str | None:
        found = match.groupdict()
        name = found.get("name")
        day, month = int(match["day"]), months[name.lower()] if name else int(match["month"])
        if month > 12 >= day:
            day, month = month, day  # as in the United States
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return None
        return words.date(day, month, int(found["year"]) if found.get("year") else None, word_before(match))

    named = rf"(?<![\w,/])(?<!\d\.)(?<!\w-)(?P<day>\d{{1,2}}){words.month_link}(?P<name>{names})(?!\w)"
    sign = rf"(?:[ \u00a0]?(?:{words.year_sign})(?!\w))?" if words.year_sign else ""
    year = rf"(?:\.?{words.year_link}(?P<year>\d{{4}})(?![\w]|[.,]\d){sign})?"

    def read_month(match: re.Match[str]) -> str:
        year = int(match["year"])
        spoken = words.year(year) if words.year else numerals.integer(year)
        return words.month_and_year.format(month=words.months[int(match["month"]) - 1], year=spoken)

    if words.month_and_year:
        yield spaced("date", _MONTH, read_month)
    yield spaced("date", re.compile(_ISO + sign), read_date)
    yield spaced("date", re.compile(named + year, re.IGNORECASE), read_date)
    yield spaced("date", re.compile(_NUMERIC + sign), read_date)
    yield spaced("date", _SHORT, read_date)

    def read_time(match: re.Match[str]) -> str | None:
        hour, minute = int(match["hour"]), int(match.groupdict().get("minute") or 0)
        second = match.groupdict().get("second")
        if hour > 24 or minute > 59:
            return None
        if second and len(match["hour"]) == 1 and {"h", "min", "s"} <= set(words.units):
            parts = ((match["hour"], "h"), (match["minute"], "min"), (second, "s"))
            return " ".join(numerals.counted(Number(str(int(digits))), words.units[unit]) for digits, unit in parts)
        spoken = words.clock(hour, minute, word_before(match))
        return f"{spoken} {numerals.integer(int(second))}" if second else spoken

    start = r"(?<![^\WT])(?<![.,:+/])(?<![^\W\d_h]-)(?P<hour>\d{1,2})"
    minute = r"(?P<minute>[0-5]\d)(?!\d)"
    signs = rf"[ \u00a0]?(?:{words.clock_signs})(?!\w)" if words.clock_signs else "(?!)"
    ends = rf"(?::(?P<second>[0-5]\d)(?:[ \u00a0]h\b)?)?(?![:\d]|\.\d)(?:{signs})?"
    yield spaced("time", re.compile(rf"{start}:{minute}{ends}"), read_time)
    yield spaced("time", re.compile(rf"{start}[ \u00a0]?h[ \u00a0]?{minute}(?!\w)"), read_time)
    if words.clock_signs:
        yield spaced("time", re.compile(rf"{start}\.{minute}{signs}"), read_time)
        yield spaced("time", re.compile(rf"{start}{signs}"), read_time)
    if words.clock_leads:
        leads = "|".join(rf"(?<=\b{re.escape(lead)} )" for lead in words.clock_leads)
        yield spaced(
            "time",
            re.compile(rf"(?:{leads}){start}\.{minute}(?!\d|\.\d|[ \u00a0]?(?:[€$£%]|EUR|[Ee]uro|kg|km))"),
            read_time,
        )

    def read_phone(match: re.Match[str]) -> str | None:
        groups = re.findall(r"\d+", ascii_digits(match[0]))
        if not 7 <= sum(map(len, groups)) <= 15:
            return None
        pairs = words.phone_pairs
        spoken = [numerals.written(group) if pairs and len(group) == 2 else numerals.digits(group) for group in groups]
        return (words.signs["+"] + " " if match[0][0] == "+" else "") + ", ".join(spoken)

    def read_groups(match: re.Match[str]) -> str:
        return ", ".join(map(numerals.digits, re.findall(r"\d+", match[0])))

    yield spaced("code", _ACCOUNT, read_groups)
    gap = r"(?:[ \u00a0./-]| ?\(|\) ?| [-/] )"
    yield spaced("phone", re.compile(rf"(?<!\w)\+\d{{1,15}}(?:{gap}\d{{1,12}}){{0,8}}(?!\w)"), read_phone)
    yield spaced(
        "phone", re.compile(rf"(?<![\w.,/+-])\(?0\d{{1,6}}(?:{gap}\d{{1,10}}){{1,8}}(?![\w]|[.,]\d)"), read_phone
    )
    yield spaced("phone", re.compile(r"(?<![\w.,/+-])0\d{6,14}(?![\w]|[.,]\d)"), read_phone)
    area = r"(?<![\w.,/+-])\(\d{2,5}\) ?\d{3,8}(?:[ -]\d{2,5}){0,3}(?!\w|[.,]\d)"
    yield spaced("phone", re.compile(area), read_phone)
    yield spaced("code", _LONG_CODE, read_groups)
