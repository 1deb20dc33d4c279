"""Rules for prices, percentages, measurements, and millions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gateway.text.normalize.european.context import ends_line
from gateway.text.normalize.european.numerals import NUMBER, START, Numerals
from gateway.text.normalize.european.words import CURRENCY_CODES, Noun, Number, Words
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import spaced

_SPACE = "[ \u00a0\u2009\u202f]?"
_MILLION = Number("1000000")


def quantity_rules(numerals: Numerals) -> Iterable[Rule]:
    """Rules of a language for numbers with a currency, a unit, a percent sign, or an abbreviation of millions."""
    yield from _currency_rules(numerals)
    words = numerals.words
    units = all_units(words)

    def read_unit(match: re.Match[str]) -> str | None:
        if (number := numerals.parse(match["number"])) is None:
            return None
        spoken = numerals.counted(number, units[re.sub(r"\s", "", match["unit"]).replace("º", "°")])
        return (f"{spoken} {words.per[match['per']]}" if match.groupdict().get("per") else spoken) + _period(match)

    percent = [sign for sign in ("%", "‰", "٪") if sign in units]
    yield spaced(
        "percent",
        re.compile(rf"{START}(?P<number>{NUMBER}){_SPACE}(?P<unit>{_alternatives(percent)})(?!\w)"),
        read_unit,
    )
    names = _alternatives(set(units).difference(percent)).replace("°", "[°º][ ]?")
    per = _alternatives(words.per)
    yield spaced(
        "unit",
        re.compile(rf"{START}(?P<number>{NUMBER}){_SPACE}(?P<unit>{names})(?:/(?P<per>{per}))?(?![\w²³^]|['’]\w)"),
        read_unit,
    )

    def read_magnitude(match: re.Match[str]) -> str | None:
        if (number := numerals.parse(match["number"])) is None:
            return None
        return numerals.counted(number, words.magnitudes[match["magnitude"]]) + _period(match)

    long = _alternatives(name for name in words.magnitudes if len(name) > 2)
    yield spaced(
        "cardinal", re.compile(rf"{START}(?P<number>{NUMBER}){_SPACE}(?P<magnitude>{long})(?!\w)"), read_magnitude
    )


def _currency_rules(numerals: Numerals) -> Iterable[Rule]:
    words = numerals.words
    symbols = {symbol: symbol for symbol in words.currencies}
    symbols |= {code: symbol for code, symbol in CURRENCY_CODES.items() if symbol in words.currencies}

    def read(match: re.Match[str]) -> str | None:
        symbol = symbols[match["symbol"]]
        noun = words.currencies[symbol]
        if (number := numerals.parse(match["number"])) is None:
            return None
        if match["magnitude"]:
            counted = numerals.counted(number, words.magnitudes[match["magnitude"]])
            return counted + words.after_magnitude(numerals.form(_MILLION, noun))
        return read_money(numerals, number, noun, words.cent_names.get(symbol))

    before = _alternatives(symbol for symbol in symbols if not symbol[0].islower())
    symbols |= {form: symbol for symbol, noun in words.currencies.items() for form in noun.forms}
    words_too = _alternatives(symbols)
    magnitude = rf"(?:{_SPACE}(?P<magnitude>{_alternatives(words.magnitudes)})(?!\w))?"
    attached = rf"(?:{_SPACE}(?P<magnitude>{_alternatives(words.magnitudes)}))?"
    number = rf"(?P<number>{NUMBER})(?:,[-–]{{1,2}})?"
    yield spaced("currency", re.compile(rf"(?<!\w)(?P<symbol>{before}){_SPACE}{number}{magnitude}"), read)
    yield spaced("currency", re.compile(rf"{START}{number}{attached}{_SPACE}(?P<symbol>{words_too})(?!\w)"), read)


def _period(match: re.Match[str]) -> str:
    """The period of an abbreviation that also ends the text."""
    return "." if match[0].endswith(".") and ends_line(match) else ""


def read_money(numerals: Numerals, number: Number, noun: Noun, cent: Noun | None) -> str:
    """Read an amount of money; two decimals are cents, one or none of them zero is left out."""
    if cent is None or len(number.fraction) != 2:
        return numerals.counted(number, noun)
    cents = Number(str(int(number.fraction)))
    whole = Number(number.integer)
    if not cents.value:
        return numerals.counted(whole, noun)
    if not whole.value:
        return numerals.counted(cents, cent)
    tail = numerals.words.cents.format(cents=numerals.number(cents, cent.gender), name=numerals.form(cents, cent))
    return f"{numerals.counted(whole, noun)} {tail}"


_PREFIXED: Mapping[str, str] = {
    "m": "kcmd",
    "g": "km",
    "l": "mcd",
    "B": "kKMGT",
    "W": "kMG",
    "Wh": "kMGT",
    "Hz": "kMG",
    "Pa": "hk",
}


def all_units(words: Words) -> dict[str, Noun]:
    """All units of a language by symbol, with prefixes, squares and cubes."""
    units = dict(words.units)
    for base, prefixes in _PREFIXED.items():
        for prefix in prefixes if base in units else "":
            if (name := words.prefixes.get(prefix.lower() if prefix == "K" else prefix)) and prefix + base not in units:
                units[prefix + base] = _changed(units[base], (name + "{}",))
    for length in ("m", "km", "cm", "mm"):
        for sign, number, shapes in (("²", "2", words.square), ("³", "3", words.cube)):
            if length in units:
                units[length + sign] = units[length + number] = _changed(units[length], shapes)
    if "l" in units:
        units |= {symbol[:-1] + "L": noun for symbol, noun in list(units.items()) if symbol in ("l", "ml", "cl", "dl")}
    return units


def _changed(noun: Noun, shapes: Sequence[str]) -> Noun:
    """Put each form of a noun into its shape; the last shape serves the forms that remain."""
    forms = []
    for index, form in enumerate(noun.forms):
        shape = shapes[min(index, len(shapes) - 1)]
        forms.append(shape.format(form if shape.startswith("{}") else form.lower()))
    return Noun(noun.gender, tuple(forms))


def _alternatives(written: Iterable[str]) -> str:
    return "(?:" + "|".join(map(re.escape, sorted(written, key=len, reverse=True))) + ")"
