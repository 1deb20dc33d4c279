"""Data of a language: its words, its notation and its agreement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gateway.text.normalize.rules import Rule

if TYPE_CHECKING:
    from gateway.text.normalize.european.numerals import Numerals


class Number(NamedTuple):
    """A number as it is written.

    :param integer: digits before the decimal mark, without group marks.
    :param fraction: digits after it; empty: none.
    :param mark: the decimal mark.
    """

    integer: str
    fraction: str = ""
    mark: str = ""

    @property
    def value(self) -> int | None:
        """The value of a whole number; None if it has decimals."""
        return None if self.fraction else int(self.integer)


class Noun(NamedTuple):
    """A noun that can be counted.

    :param gender: m, f, n, or empty where the language has none.
    :param forms: in the order of :attr:`Words.plural`.
    """

    gender: str
    forms: tuple[str, ...]


def listed(words: str) -> tuple[str, ...]:
    """Split a list of words at spaces."""
    return tuple(words.split())


def nouns(table: Mapping[str, str]) -> dict[str, Noun]:
    """Parse a table of nouns, each as ``gender|singular|plural|…``; a noun with one form has no plural."""
    parsed = {}
    for key, written in table.items():
        gender, *forms = written.split("|")
        parsed[key] = Noun(gender, tuple(forms))
    return parsed


def one_or_more(number: Number) -> int:
    """Select a noun's form: 0 for exactly one, 1 for others."""
    return int(number.value != 1)


def _same(words: str, number: int, gender: str) -> str:
    return words


def _followed(noun: str) -> str:
    return f" {noun}"


@dataclass(frozen=True, kw_only=True)
class Words:
    """A language: its words and how it writes and reads numbers.

    :param numbers: the language's name in ``num2words``, or a function that reads an integer.
    :param months: names in dates, January first.
    :param month_link: pattern between day and month; ``year_link``: between month and year; ``year_sign``: after
        the year, part of the date.
    :param month_and_year: how 05/2024 is read, with {month} and {year}; empty: as two numbers.
    :param date: reads (day, month, year or None, word before the date).
    :param clock: reads (hour, minute, word before the time).
    :param agree: adapts the words of an integer to the gender of what it counts; with gender "" it only corrects what
        ``num2words`` gets wrong.
    :param plural: selects the form of a noun after a number.
    :param guess_gender: gender of (word, the number before it); "" if the word is not known to be a noun.
    :param labels: words before a number that it names and does not count, e.g. ``page``.
    :param decimals_as_number: read up to three decimals as a number, e.g. three comma fourteen.
    :param read_decimals: reads (digits before, digits after the decimal mark) where the language has another way; None
        where it has not.
    :param after_magnitude: a noun as it follows ``million``, with a space or a preposition.
    :param cents: how cents follow, with {cents} for the number and {name} for the noun.
    :param currencies: by symbol, see :data:`CURRENCY_CODES`.
    :param magnitudes: thousands, millions and so on, by abbreviation.
    :param prefixes: SI prefixes, joined with the units that they apply to.
    :param square: forms of a unit's square, with {} for the unit.
    :param per: units after a slash, with the preposition.
    :param clock_signs: pattern of what follows a full hour.
    :param clock_leads: words before a time that is written with a period.
    :param over: words for a slash between numbers.
    :param fractions: fractions with a name.
    :param denominators: singular and plural of fractions' denominators.
    :param fraction_of: between a fraction and the unit that it is of, except after a half; ``fraction_form``: the form
        of the unit.
    :param halves: half of a unit, by the unit's gender.
    :param half: read after an integer for ½; ``half_feminine``: with a feminine unit; ``half_last``: after
        the unit, if there is one.
    :param mixed: between an integer and another fraction.
    :param times: read for × between numbers; ``times_after``: for ``3x`` before a word.
    :param range: between the numbers of a range, with spaces.
    :param address: words for the signs in addresses, see :class:`gateway.text.normalize.shared.AddressWords`.
    :param abbreviations: read anywhere; ``titles``: only before a capital letter; ``counters``: only before a digit.
    :param closing: abbreviations that may end a sentence, whose period then stays.
    :param signs: words of signs that have no meaning of their own between numbers.
    :param phone_pairs: phone numbers are read in pairs of digits.
    :param joins_suffixes: a word is joined with the number before it, e.g. zwanzigjährig for ``20-jährig``.
    :param rulers: names before a Roman numeral of one letter; before a longer one any name will do.
    :param regnal: reads a Roman numeral after (number, the words before it); None: as a cardinal.
    :param rules: the language's own rules, which precede all but addresses.
    """

    numbers: str | Callable[[int], str]
    decimal: str
    decimal_mark: str = ","
    point: str
    minus: str
    months: Sequence[str]
    month_abbreviations: Mapping[str, int] = field(default_factory=dict)
    month_link: str = r"\.?\s"
    year_link: str = r"\s"
    year_sign: str = ""
    month_and_year: str = ""
    date: Callable[[int, int, int | None, str], str]
    clock: Callable[[int, int, str], str]
    agree: Callable[[str, int, str], str] = _same
    plural: Callable[[Number], int] = one_or_more
    guess_gender: Callable[[str, int], str] = lambda word, number: ""
    labels: frozenset[str] = frozenset()
    decimals_as_number: bool = True
    read_decimals: Callable[[str, str], str | None] = lambda integer, fraction: None
    after_magnitude: Callable[[str], str] = _followed
    cents: str = "{cents}"
    currencies: Mapping[str, Noun]
    cent_names: Mapping[str, Noun]
    magnitudes: Mapping[str, Noun]
    units: Mapping[str, Noun]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    square: Sequence[str] = ("{}",)
    cube: Sequence[str] = ("{}",)
    per: Mapping[str, str]
    per_word: str
    clock_signs: str = ""
    clock_leads: Sequence[str] = ()
    year: Callable[[int], str] | None = None
    over: str
    fractions: Mapping[tuple[int, int], str] = field(default_factory=dict)
    denominators: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    fraction_gender: str = "m"
    fraction_of: str = " "
    fraction_form: int = 0
    half: str
    half_feminine: str = ""
    halves: Mapping[str, str] = field(default_factory=dict)
    half_last: bool = False
    mixed: str
    squared: str
    cubed: str
    power: str
    times: str
    times_after: str
    divided: str
    range: str
    ratio: str
    number_sign: str
    address: Mapping[str, str]
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, str] = field(default_factory=dict)
    closing: frozenset[str] = frozenset()
    signs: Mapping[str, str]
    phone_pairs: bool = False
    joins_suffixes: bool = False
    rulers: frozenset[str] = frozenset()
    regnal: Callable[[int, str], str] | None = None
    rules: Callable[[Numerals], Sequence[Rule]] = lambda numerals: ()


CURRENCY_CODES = {
    "EUR": "€",
    "US$": "$",
    "USD": "$",
    "GBP": "£",
    "JPY": "¥",
    "CHF": "CHF",
    "PLN": "zł",
    "RUB": "₽",
    "INR": "₹",
    "BRL": "R$",
    "CZK": "Kč",
    "SEK": "kr",
    "NOK": "kr",
    "DKK": "kr",
}
"""Other ways to write a currency, and its symbol."""
