"""The rules of a language, built from its words.

A mark between two numbers, such as the dash of a range, has a rule of its own, which replaces only the mark: the
numbers beside it may be prices, times or plain numbers, and are read by the rules for those.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gateway.text.mapped_text import Edit
from gateway.text.normalize.european.context import (
    ROMAN,
    ends_sentence,
    roman_value,
    word_after,
    word_before,
    words_before,
)
from gateway.text.normalize.european.dates import date_rules
from gateway.text.normalize.european.numerals import GROUP, NUMBER, START, Numerals, ascii_digits
from gateway.text.normalize.european.quantities import all_units, quantity_rules
from gateway.text.normalize.european.words import Number, Words
from gateway.text.normalize.numbers import MAX_DIGITS
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import EMOJI_RULES, AddressWords, address_rules, spaced

Reader = Callable[[re.Match[str]], str | None]


class DataLanguage:
    """A normalizer built from a language's words."""

    def __init__(self, words: Words) -> None:
        self._numerals = Numerals(words)
        symbols = {symbol: noun.forms[-1] for symbol, noun in words.currencies.items() if len(symbol) == 1}
        self._signs = {**symbols, **words.signs}
        self._rest = re.compile(rf"\d+|[{_NUMERALS}]|{_any_of(self._signs)}")
        addresses = address_rules(_address_words(self._numerals))
        self.rules: Sequence[Rule] = (
            *EMOJI_RULES,
            spaced("currency", re.compile(r"(?<=[€$£¥₹₽])/(?=[^\W\d_])"), lambda match: words.per_word),
            *(rule for rule in addresses if rule.category == "address"),
            *date_rules(self._numerals),
            *words.rules(self._numerals),
            *_abbreviation_rules(words),
            *quantity_rules(self._numerals),
            spaced("cardinal", _GROUPED, self._read_number),
            *(rule for rule in addresses if rule.category != "address"),
            *_roman_rules(self._numerals),
            *_fraction_rules(self._numerals),
            *_mark_rules(words),
            spaced("cardinal", _CARDINAL, self._read_number),
            spaced("math", _RAISED, self._read_raised),
            *_sign_rules(self._signs),
        )

    def read_rest(self, text: str) -> list[Edit]:
        """Read the digits and signs that are left beside another edit, e.g. of a pronunciation dictionary."""
        edits = []
        for match in self._rest.finditer(text):
            if (spoken := self._signs.get(match[0])) is None and (spoken := self._read_numeral(match)) is None:
                continue
            before, after = text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]
            left, right = " " * (not before.isspace()), " " * (not after.isspace())
            category = "cardinal" if match[0][0].isnumeric() else "sign"
            edits.append(Edit(*match.span(), f"{left}{spoken}{right}", category))
        return edits

    def _read_numeral(self, match: re.Match[str]) -> str | None:
        numerals = self._numerals
        if match[0].isdecimal():
            return numerals.written(ascii_digits(match[0]))
        if _RAISED.fullmatch(match[0]):
            return self._read_raised(match)
        top, _, bottom = unicodedata.normalize("NFKC", match[0]).partition("⁄")
        if bottom:
            named = numerals.fraction(int(top), int(bottom))
            return named or f"{numerals.integer(int(top))} {numerals.words.over} {numerals.integer(int(bottom))}"
        number = unicodedata.numeric(match[0])
        return numerals.integer(int(number)) if number == int(number) else None

    def _read_number(self, match: re.Match[str]) -> str | None:
        words = self._numerals.words
        if (number := self._numerals.parse(match[0])) is None:
            return None
        if len(number.integer) > MAX_DIGITS:
            return self._numerals.digits(number.integer)
        if words.year and len(match[0]) == 4 and match[0].isdecimal() and 1100 <= int(match[0]) < 2000:
            return words.year(int(match[0]))
        gender = ""
        if number.value is not None and (following := word_after(match)) and not self._is_name(match):
            gender = words.guess_gender(following, number.value)
        return self._numerals.number(number, gender)

    def _is_name(self, match: re.Match[str]) -> bool:
        """Whether a number names the word before it, as in page 1, and does not count the word after it."""
        words = self._numerals.words
        before = match.string[max(0, match.start() - 12) : match.start()].rstrip()
        return before.endswith((*words.counters, "§", "#")) or word_before(match) in words.labels

    def _read_raised(self, match: re.Match[str]) -> str:
        words = self._numerals.words
        exponent = unicodedata.normalize("NFKC", match[0]).removeprefix("^")
        named = {"2": words.squared, "3": words.cubed}.get(exponent)
        return named or f"{words.power} {self._numerals.written(exponent)}"


_NUMERALS: Final = "²³¹¼-¾⁰⁴-⁹⅐-⅞₀-₉①-⓿❶-➓㈠-㉉㊀-㊰Ⅰ-ⅿ"
_GROUPED: Final = re.compile(
    rf"{START}\d{{1,3}}(?:[{GROUP}]\d{{3}}){{1,5}}(?!\d|[.,]\d{{4}})(?:[.,]\d{{1,12}}(?!\d))?(?![.,]\d)"
)
_CARDINAL: Final = re.compile(rf"(?<!\d)(?<!\d[.,]){NUMBER}|\d+")
_RAISED: Final = re.compile(r"[⁰¹²³⁴-⁹]{1,9}|\^\d{1,9}")


def _address_words(numerals: Numerals) -> AddressWords:
    return AddressWords(number=numerals.written, **numerals.words.address)


def _any_of(written: Iterable[str]) -> str:
    """A pattern of literals, longest first."""
    return "(?:" + "|".join(map(re.escape, sorted(written, key=len, reverse=True))) + ")"


def _abbreviation_rules(words: Words) -> Iterable[Rule]:
    def before_capital(match: re.Match[str]) -> bool:
        return match.string[match.end() : match.end() + 2].strip()[:1].isupper()

    yield from _expand(words.titles, r"(?=[ \u00a0]?[^\W\d_])", before_capital)
    yield from _expand(words.counters, r"(?=[ \u00a0]?[\dIVX])")
    yield from _expand(words.abbreviations, "", None, words.closing)


def _expand(
    table: Mapping[str, str],
    ahead: str,
    applies: Callable[[re.Match[str]], bool] | None = None,
    closing: frozenset[str] = frozenset(),
) -> Iterable[Rule]:
    if not table:
        return
    by_key = {key.replace(" ", ""): (key, spoken) for key, spoken in table.items()}
    patterns = []
    for key in sorted(table, key=len, reverse=True):
        first = re.escape(key[0]) if key[0] == key[0].upper() else f"[{key[0]}{key[0].upper()}]"
        rest = re.escape(key[1:]).replace("\\ ", "[ \u00a0\u202f]?")
        patterns.append(first + rest + (r"(?!\w)" if key[-1].isalnum() else ""))

    def read(match: re.Match[str]) -> str | None:
        if applies and not applies(match):
            return None
        written = re.sub(r"[ \u00a0\u202f]", "", match[0])
        capital = written not in by_key
        key, spoken = by_key[written[0].lower() + written[1:] if capital else written]
        if capital:
            spoken = spoken[0].upper() + spoken[1:]
        return spoken + "." if key in closing and key.endswith(".") and ends_sentence(match) else spoken

    yield spaced("abbreviation", re.compile(rf"(?<![\w.])(?:{'|'.join(patterns)}){ahead}"), read)


def _roman_rules(numerals: Numerals) -> Iterable[Rule]:
    words = numerals.words
    if words.regnal is None:
        return
    regnal = words.regnal

    def read(match: re.Match[str]) -> str | None:
        name = words_before(match)[1]
        number = roman_value(match["roman"])
        if name.lower() in words.labels:
            return numerals.integer(number)
        if match.string[match.start() - 2] == ".":
            return None
        if name[:1].isupper() and (name in words.rulers or (len(match["roman"]) > 1 and len(name) > 2)):
            return regnal(number, name)
        return None

    yield spaced("roman", re.compile(rf"(?:(?<=[^\W\d_][ \u00a0])|(?<=[^\W\d_]\. )){ROMAN}"), read)


def _fraction_rules(numerals: Numerals) -> Iterable[Rule]:
    words = numerals.words
    units = all_units(words)
    units |= {form: noun for noun in units.values() for form in noun.forms}

    def read(match: re.Match[str]) -> str | None:
        numerator, _, denominator = unicodedata.normalize("NFKC", match["fraction"]).replace("/", "⁄").partition("⁄")
        top, bottom = int(numerator), int(denominator)
        if (named := numerals.fraction(top, bottom)) is None or top >= bottom:
            return None
        noun = units.get(match["unit"] or "")
        half = (top, bottom) == (1, 2)
        if not match["whole"]:
            if noun is None:
                following = word_after(match)
                return words.halves.get(words.guess_gender(following, 1), named) if half and following else named
            named = words.halves.get(noun.gender, named) if half else named
            return f"{named}{' ' if half else words.fraction_of}{noun.forms[words.fraction_form % len(noun.forms)]}"
        following = "" if noun else word_after(match)
        gender = noun.gender if noun else words.guess_gender(following, int(match["whole"])) if following else ""
        whole = numerals.integer(int(match["whole"]), gender)
        rest = words.half if half else f"{words.mixed} {named}".strip()
        if half and gender == "f":
            rest = words.half_feminine or rest
        if noun is None:
            return f"{whole} {rest}"
        if words.half_last:
            return f"{whole} {numerals.form(Number(match['whole']), noun)} {rest}"
        return f"{whole} {rest} {noun.forms[(words.fraction_form or 1) % len(noun.forms)]}"

    unit = rf"(?:[ \u00a0]?(?P<unit>{_any_of(units)})(?![\w²³/]))?"
    whole = r"(?:(?<![\w.,/])(?P<whole>\d{1,4})[ \u00a0]"
    yield spaced("fraction", re.compile(rf"{whole}?)?(?P<fraction>[¼-¾⅐-⅞]){unit}"), read)
    common = r"(?P<fraction>\d{1,2}[/⁄]\d{1,3})(?![\w/]|[.,]\d|\s?[=*×÷])"
    yield spaced("fraction", re.compile(rf"(?<![\w.,/]){whole})?{common}{unit}"), read)


_BEFORE: Final = r"(?:(?<=\d)|(?<=\d\s))"
_MONEY_BEFORE: Final = r"(?:(?<=[\d%€$£°½])|(?<=[\d%€$£°½]\s)|(?<=\dh)|(?<=\d h))"
_NUMBER_BEFORE = re.compile(r"([\d.,:]{1,20})\D{0,4}$")
_NUMBER_AFTER = re.compile(r"\D{0,3}([\d.,:]{1,20})")
_CODE = re.compile(r"(?<![\d:.,])0\d+$")  # a number with leading zeros
_GROUP_MARK = re.compile(r"[.,](?=\d{3})")
_COUNTED_BEFORE = re.compile(r"(?:\d[ \u00a0]?[^\W\d]{1,4}|[€$£¥₹₽%])$")


def _mark_rules(words: Words) -> Iterable[Rule]:
    """Marks between numbers."""

    def read_range(match: re.Match[str]) -> str | None:
        before = _NUMBER_BEFORE.search(match.string[max(0, match.start() - 25) : match.start()])
        after = _NUMBER_AFTER.match(match.string[match.end() : match.end() + 25])
        if not (before and after and _leading(before[1]) < _leading(after[1])) or _CODE.search(before[1]):
            return None
        return words.range + " " if match.string[match.end()] in "€$£" else words.range

    def read_slash(match: re.Match[str]) -> str:
        after = match.string[match.end() : match.end() + 20]
        if match.string[match.start() - 1 : match.start()].isdecimal() and after[:1].isdecimal():
            return words.divided if re.match(r"\d{1,15}\s?=", after) else words.over
        if after[:1].isdecimal():
            return words.over
        if _COUNTED_BEFORE.search(match.string[max(0, match.start() - 10) : match.start()]):
            return words.per_word
        return words.signs["/"]

    def read_minus(match: re.Match[str]) -> str:
        return words.minus if match.string[match.end()].isdecimal() else words.minus + " "

    yield Rule("sign", re.compile(r"(?<=\b24)/(?=7\b)"), lambda match: " ")
    yield spaced("math", re.compile(rf"{_BEFORE}[*x×·](?=\s?\d)"), lambda match: words.times)
    yield spaced("math", re.compile(r"(?<=\d)[x×](?!\w)"), lambda match: words.times_after)
    yield spaced("math", re.compile(rf"{_BEFORE}[-−–](?=\s?\d[\d.,]{{0,15}}\s?=)"), lambda match: words.minus)
    yield spaced("range", re.compile(rf"{_MONEY_BEFORE}[-–—](?=\s?[€$£]?\d)"), read_range)
    yield Rule("code", re.compile(r"(?<=\d)[-–](?=\d)"), lambda match: " ")
    yield spaced("math", re.compile(r"(?<![\w)\]%€$£°½.,-])[-−](?=[€$£¥]?\d)"), read_minus)
    yield spaced("math", re.compile(r"(?<=\d):(?=\d)"), lambda match: words.ratio)
    yield Rule("code", re.compile(r"(?<=[^\W\d_])[-‑](?=\d)"), lambda match: " ")
    if words.joins_suffixes:
        yield Rule("cardinal", re.compile(r"(?<=\d)[-‑](?=[^\W\d_A-ZÄÖÜ])"), lambda match: "")
    yield Rule(
        "sign",
        re.compile(r"(?<=[^\W\d_]{3})/(?=[^\W\d_])|(?<=[^\W\d_])/(?=[^\W\d_]{1,2}\b)"),
        _slash_between_words(words),
    )
    yield spaced("sign", re.compile("/"), read_slash)
    yield spaced("sign", re.compile(r"(?<!\w)#(?=\d)"), lambda match: words.number_sign)


def _slash_between_words(words: Words) -> Reader:
    def read(match: re.Match[str]) -> str | None:
        counted = _COUNTED_BEFORE.search(match.string[max(0, match.start() - 10) : match.start()])
        return None if counted else " "

    return read


def _leading(written: str) -> int:
    """The whole part of a number, or the hour of a time."""
    digits = re.match(r"\d*", _GROUP_MARK.sub("", written.lstrip(".,:")))
    return int(digits[0]) if digits and digits[0] else 0


_COMBINED: Final = {"->": "→", "=>": "→", "<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "+/-": "±"}
_DECORATION: Final = re.compile(r"(?m:^[ \t]{0,3}(?:#{1,6}|>{1,3})[ \t])|\*{1,3}|`{1,3}|~~|__|[•‣◦●■▪|¶]")


def _drop(match: re.Match[str]) -> str:
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    joined = before.isalnum() and (after.isdecimal() or (after.isalnum() and match[0] not in _EMPHASIS))
    return " " if joined else ""


_EMPHASIS: Final = frozenset(["*", "**", "***", "__", "`", "~~"])


def _sign_rules(signs: Mapping[str, str]) -> Iterable[Rule]:
    yield Rule("sign", _DECORATION, _drop)
    yield Rule("sign", re.compile(r"(?<=\w)_(?=\w)"), lambda match: " ")
    yield spaced("math", re.compile(_any_of(_COMBINED)), lambda match: signs.get(_COMBINED[match[0]]))
    math = [sign for sign in signs if unicodedata.category(sign) == "Sm"]
    yield spaced("math", re.compile(_any_of(math)), lambda match: signs[match[0]])
    others = [sign for sign in signs if sign not in math]
    yield spaced("sign", re.compile(_any_of(others)), lambda match: signs[match[0]])
