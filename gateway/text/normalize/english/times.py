"""Times of day and ratios."""

from __future__ import annotations

import re

from gateway.text.normalize.english.words import before, ends_sentence, integer, minutes
from gateway.text.normalize.shared import DIGITS, spaced

_HALF = r"(?P<half>[aApP]\.[ ]?[mM]\.|[aApP][mM]\b)"
_CLOCK = re.compile(
    rf"(?<![\w:])(?<!\d[.,])(?P<hour>[0-5]?\d)(?:[:h](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d{{1,6}})?)?"
    rf"(?:\s?{_HALF})?|\.(?P<dotted>[0-5]\d)\s?(?P<dotted_half>[aApP]\.?[mM]\b\.?))(?![\w:]|\.\d)"
)
_HOUR = re.compile(rf"(?<![\w:])(?<!\d[.,])(?P<hour>1[0-2]|0?[1-9])\s?{_HALF}")
_RATIO = re.compile(r"(?<![\w:.])(?P<first>\d{1,6}):(?P<second>\d{1,6})(?![\w:]|\.\d)")
_MILITARY = re.compile(r"(?<![\w.,:])(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?=\s(?:hours|hrs)\b)")
_BEFORE_MILITARY = re.compile(r"\b(?:at|by|until|till|from|to|around|about|before|after)\s$", re.IGNORECASE)
_OFFSET = re.compile(r"(?<=UTC|GMT)\s?(?P<sign>[-+−])(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?!\w)")


def read_clock(hour: str, minute: str, second: str | None, half: str) -> str:
    """A time of day in words.

    :param half: ``AM``, ``PM`` or empty.
    """
    if int(hour) > 24:
        read = f"{integer(hour)} {minutes(minute) if minute != '00' else 'zero zero'}"
    elif minute == "00" and not second:
        if half or int(hour) == 0:
            read = f"{integer(str(int(hour)))}" if half else "midnight"
        else:
            read = f"{integer(str(int(hour)))} o'clock" if int(hour) <= 12 else f"{integer(hour)} hundred"
    elif int(hour) == 0 and not half:
        read, half = f"twelve {minutes(minute)}", "AM"
    else:
        read = f"{integer(str(int(hour)))} {minutes(minute) if minute != '00' else 'hundred'}"
    if second and second != "00":
        read += f" and {integer(str(int(second)))} second{'s' if second != '01' else ''}"
    return f"{read} {half}".rstrip()


def _half(match: re.Match[str], written: str | None) -> str:
    if not written:
        return ""
    period = "." if written.endswith(".") and ends_sentence(match) else ""
    return f"{written[0].upper()}M{period}"


def _read_clock(match: re.Match[str]) -> str:
    half = _half(match, match["half"] or match["dotted_half"])
    return read_clock(match["hour"], match["minute"] or match["dotted"], match["second"], half)


def _read_military(match: re.Match[str]) -> str | None:
    if not _BEFORE_MILITARY.search(before(match)):
        return None
    minute = match["minute"]
    return f"{integer(match['hour'])} {'hundred' if minute == '00' else minutes(minute)}"


def _read_offset(match: re.Match[str]) -> str:
    read = f"{'plus' if match['sign'] == '+' else 'minus'} {integer(str(int(match['hour'])))}"
    return f"{read} {integer(match['minute'])}" if match["minute"] else read


RULES = (
    spaced("time", _CLOCK, _read_clock, DIGITS),
    spaced("time", _HOUR, lambda match: f"{integer(str(int(match['hour'])))} {_half(match, match['half'])}", DIGITS),
    spaced("time", _MILITARY, _read_military, DIGITS),
    spaced("time", _OFFSET, _read_offset, DIGITS),
)
RATIO_RULE = spaced("math", _RATIO, lambda match: f"{integer(match['first'])} to {integer(match['second'])}", DIGITS)
