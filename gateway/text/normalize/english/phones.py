"""Phone numbers and other groups of digits that are read digit by digit."""

from __future__ import annotations

import re

from gateway.text.normalize.english.words import after, before
from gateway.text.normalize.numbers import digits
from gateway.text.normalize.shared import DIGITS, spaced

_GAP = r"[ .\xa0-]"
_PHONE = re.compile(
    rf"(?<![\w.,/$€£-])(?<!\d )(?:(?P<plus>\+\d{{1,3}}(?:{_GAP}?\(?\d{{1,5}}\)?){{1,6}})"
    rf"|(?P<national>(?:1{_GAP})?(?:\(\d{{3}}\){_GAP}?|\d{{3}}{_GAP})\d{{3}}{_GAP}\d{{4}})"
    rf"|(?P<word>(?:1[ -]?)?(?:\(8\d\d\)[ -]?|8\d\d-)(?:\d{{3}}-)?[A-Z]{{3,12}}(?:-[A-Z]{{2,8}})?)"
    rf"|(?P<local>\d{{3}}-\d{{4}})"
    rf"|(?P<trunk>0\d{{2,4}}(?:[ /-]\d{{2,8}}){{1,4}}))(?!\w|[-/]\d|[.,]\d)"
    r"(?:,?\s(?:ext|x|extension)\b\.?\s?(?P<extension>\d{1,6})(?!\w))?"
)
_GROUPS = re.compile(r"\d+|[A-Z]+")


def _read_phone(match: re.Match[str]) -> str | None:
    if (local := match["local"]) and local[2] == "0" and local[-1] == "0":
        return None  # a range of round numbers
    written = match["plus"] or match["national"] or match["word"] or local or match["trunk"]
    if match["plus"] and sum(map(str.isdigit, written)) < 7:
        return None
    groups = [_read_group(group) for group in _GROUPS.findall(written)]
    read = ("plus " if match["plus"] else "") + ", ".join(groups)
    return f"{read} extension {digits(match['extension'], 'en')}" if match["extension"] else read


def _read_group(group: str) -> str:
    if group.isalpha():
        return group
    return "eight hundred" if group == "800" else digits(group, "en")


_SPELLED = re.compile(
    r"(?<![\w.,/-])(?:\d{4}(?:[ -]\d{4}){3}|\d{3}-\d{2}-\d{4}|\d{2}-\d{2}-\d{2}"
    r"|\d{1,5}(?:-\d{1,7}){3,5}|\d(?:-\d){2,8})(?!\w|-\w|[.,]\d)"
)
_CALLED = re.compile(r"(?<![\w.,-])\d{3,6}(?!\w|[-.,]\d)")
_CALL = re.compile(r"\b(?:call|called|calling|dial|dialed|dialing|ring|text|texted)\s$", re.IGNORECASE)
_EMERGENCY = {"911", "112", "999", "988", "411", "311", "211", "811", "000", "101", "111"}
_ZIP = re.compile(r"(?<![\w.,-])\d{5}(?:-\d{4})?(?!\w|[-.,]\d)")
_BEFORE_ZIP = re.compile(
    r"(?:\b(?:zip|postcode|postal code|zip code|pin|PIN code|code)(?: is)?:?|"
    r"(?:^|[\s,])(?:NYC|A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT"
    r"|V[AT]|W[AIVY])),?\s$",
    re.IGNORECASE,
)


def _read_spelled(match: re.Match[str]) -> str:
    return ", ".join(digits(group, "en") for group in match[0].replace(" ", "-").split("-"))


def _read_called(match: re.Match[str]) -> str | None:
    if not _CALL.search(before(match)) or (match[0] not in _EMERGENCY and after(match, 2)[1:].isalpha()):
        return None
    return digits(match[0], "en")


def _read_zip(match: re.Match[str]) -> str | None:
    found = _BEFORE_ZIP.search(before(match))
    if not found or (found[0].strip(" ,").islower() and len(found[0].strip(" ,")) == 2):
        return None
    return ", ".join(digits(group, "en") for group in match[0].split("-"))


_IDENTIFIER = re.compile(r"(?<![\w.,-])(?:\d{5,30}|(?P<short>\d{4}))(?!\w|[-.,:/%]\d|[%°$€£])")
_BEFORE_IDENTIFIER = re.compile(
    r"(?:#|\b(?:no\.?|number|ID|order|invoice|account|acct\.?|ticket|case|serial|tracking|reference|ref\.?|passport"
    r"|license|policy)(?: is| number| no\.?)?[ :#]{1,3})$",
    re.IGNORECASE,
)
_BEFORE_SECRET = re.compile(
    r"\b(?:code|PIN|OTP|passcode|password|ends? in|ending in|ends with|last four digits)(?: is| was| of)?[ :=]{1,3}$",
    re.IGNORECASE,
)


def _read_identifier(match: re.Match[str]) -> str | None:
    text_before = before(match)
    found = _BEFORE_SECRET.search(text_before) or (not match["short"] and _BEFORE_IDENTIFIER.search(text_before))
    return digits(match[0], "en") if found else None


RULES = (
    spaced("phone", _PHONE, _read_phone, DIGITS),
    spaced("phone", _SPELLED, _read_spelled, DIGITS),
    spaced("cardinal", _CALLED, _read_called, DIGITS),
    spaced("code", _ZIP, _read_zip, DIGITS),
    spaced("code", _IDENTIFIER, _read_identifier, DIGITS),
)
