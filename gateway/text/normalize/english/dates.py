"""Dates. Numeric dates have the month first, as in the US, unless dots separate them."""

from __future__ import annotations

import re

from gateway.text.normalize.english.times import read_clock
from gateway.text.normalize.english.words import (
    before,
    ends_sentence,
    ordinal_words,
    year_words,
)
from gateway.text.normalize.numbers import cardinal
from gateway.text.normalize.shared import DIGITS, spaced

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_WEEKDAYS = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
]
MONTH = rf"(?:{'|'.join(f'{month[:3]}(?:{month[3:]})?' for month in MONTHS)}|Sept)"
"""A month's name or its abbreviation."""
_WEEKDAY = r"(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)"
_SUFFIX = r"(?:st|nd|rd|th)"


def month_name(written: str) -> str:
    """The name of a month that is named or abbreviated."""
    return next(month for month in MONTHS if month.startswith(written[:3]))


def read_date(year: str | None, month: int, day: int, order: str = "month first") -> str | None:
    """A date in words; None if there is no such day."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    name, number = MONTHS[month - 1], ordinal_words(str(day))
    read = f"{name} {number}" if order == "month first" else f"the {number} of {name}"
    return f"{read} {year_words(_century(year))}" if year else read


def _century(year: str) -> str:
    if len(year) != 2:
        return year
    return f"19{year}" if int(year) > 68 else f"20{year}"


_ISO = re.compile(
    r"(?<![\w.-])(?P<year>[12]\d{3})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?(?![\w-]|[./]\d)"
)
_NUMERIC = re.compile(
    r"(?<![\w./-])(?P<first>\d{1,2})(?:(?P<sep>[./-])(?P<second>\d{1,2})(?P=sep)(?P<year>[12]\d{3})"
    r"|/(?P<short_second>\d{1,2})/(?P<short_year>\d\d))(?![\w/-]|\.\d)"
)
_MONTH_YEAR = re.compile(r"(?<![\w./-])(?P<month>0?[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)(?![\w/]|\.\d)")
_YEAR_MONTH = re.compile(r"(?<![\w./-])(?P<year>(?:19|20)\d\d)-(?P<month>0[1-9]|1[0-2])(?![\w/-]|\.\d)")
_YEAR_PART = r"(?:,?\s(?P<year>[12]\d{3})(?![\w%]|[.,:]\d))?"
_NAMED = re.compile(
    rf"\b(?P<month>{MONTH})\.?\s(?P<day>\d{{1,2}}){_SUFFIX}?(?:\s?[-–]\s?(?P<to>\d{{1,2}}){_SUFFIX}?)?(?![\w%:]|[.,/]\d){_YEAR_PART}"
)
_NAMED_DAY_FIRST = re.compile(
    rf"(?<![\w.,:/])(?P<day>\d{{1,2}}){_SUFFIX}?(?:\s?[-–/]\s?(?P<to>\d{{1,2}}){_SUFFIX}?)?(?P<of>\sof)?[\s-](?P<month>{MONTH})\b(?:\.(?=\s\d|,))?{_YEAR_PART}"
)


def _read_iso(match: re.Match[str]) -> str | None:
    read = read_date(match["year"], int(match["month"]), int(match["day"]))
    if read is None or match["hour"] is None:
        return read
    zone = match["zone"] or ""
    if zone == "Z":
        zone = " UTC"
    elif zone:
        zone = f" UTC {'plus' if zone[0] == '+' else 'minus'} {cardinal(int(zone[1:3]), 'en')}"
    return f"{read} {read_clock(match['hour'], match['minute'], None, '')}{zone}"


def _read_numeric(match: re.Match[str]) -> str | None:
    first, second = int(match["first"]), int(match["second"] or match["short_second"])
    day_first = match["sep"] == "." or first > 12
    month, day = (second, first) if day_first else (first, second)
    return read_date(match["year"] or match["short_year"], month, day)


def _read_named(match: re.Match[str]) -> str | None:
    month = MONTHS.index(month_name(match["month"])) + 1
    if (to := match["to"]) is None:
        return read_date(match["year"], month, int(match["day"]))
    read = read_date(None, month, int(match["day"]))
    if read is None or not 1 <= int(to) <= 31:
        return None
    return f"{read} to {ordinal_words(to)}" + (f" {year_words(match['year'])}" if match["year"] else "")


def _read_day_first(match: re.Match[str]) -> str | None:
    month = MONTHS.index(month_name(match["month"])) + 1
    read = read_date(match["year"], month, int(match["day"]), "day first")
    if read and (to := match["to"]):
        read = read.replace(" of ", f" to {ordinal_words(to)} of ", 1) if 1 <= int(to) <= 31 else None
    if read and (match["of"] or before(match, 4).lower().endswith("the ")):
        return read.removeprefix("the ")
    return read


def _read_month_year(match: re.Match[str]) -> str:
    return f"{MONTHS[int(match['month']) - 1]} {year_words(match['year'])}"


def weekday_name(written: str) -> str:
    """The name of an abbreviated weekday."""
    return next(day for day in _WEEKDAYS if day.startswith(written[:3]))


_DAY = re.compile(
    rf"\b(?P<day>(?:Mon|Tues?|Wed|Thu|Thurs?|Fri)\.|{_WEEKDAY}\b\.?(?=,?\s(?:\d|{MONTH}\b)|\s?[-–]\s?{_WEEKDAY}\b))"
)
_DAYS = re.compile(rf"\b(?P<first>{_WEEKDAY})\.?\s?[-–]\s?(?P<last>{_WEEKDAY})\b")


def _read_day(match: re.Match[str]) -> str:
    return weekday_name(match["day"]) + ("." if match[0].endswith(".") and ends_sentence(match) else "")


def _read_days(match: re.Match[str]) -> str:
    return f"{weekday_name(match['first'])} to {weekday_name(match['last'])}"


_MONTHS = re.compile(rf"\b(?P<first>{MONTH})\.?\s?[-–]\s?(?P<last>{MONTH})\b")


def _read_months(match: re.Match[str]) -> str:
    return f"{month_name(match['first'])} to {month_name(match['last'])}"


RULES = (
    spaced("date", _ISO, _read_iso, DIGITS),
    spaced("date", _NUMERIC, _read_numeric, DIGITS),
    spaced("date", _MONTH_YEAR, _read_month_year, DIGITS),
    spaced("date", _YEAR_MONTH, _read_month_year, DIGITS),
    spaced("date", _NAMED_DAY_FIRST, _read_day_first, DIGITS),
    spaced("date", _NAMED, _read_named, DIGITS),
    spaced("date", _DAYS, _read_days, "-–"),
    spaced("date", _DAY, _read_day),
    spaced("date", _MONTHS, _read_months, "-–"),
)
