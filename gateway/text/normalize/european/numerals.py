"""Reads numbers, fractions and counted nouns in one language."""

from __future__ import annotations

import re

from gateway.text.normalize import numbers
from gateway.text.normalize.european.words import Noun, Number, Words

GROUP = "., \u00a0\u2009\u202f'’٬"
NUMBER = (
    rf"(?:\d{{1,3}}(?:[{GROUP}]\d{{3}}){{1,5}}(?:[.,]\d{{1,12}})?|\d{{1,2}}(?:,\d{{2}}){{1,4}},\d{{3}}(?:\.\d{{1,12}})?"
    r"|\d{1,15}(?:[.,٫]\d{1,12})?)(?!\d|[.,]\d)"
)
"""A number with group marks and decimals, in the notation of any language. The second form is Indian."""

START = r"(?<![\w.,٫/])(?<![^\W\d_]-)"
"""The start of a number that counts something: not inside a word or another number."""

_SPACES = re.compile("[ \u00a0\u2009\u202f'’]")


def ascii_digits(written: str) -> str:
    """Replace digits of other scripts."""
    return "".join(str(int(char)) if char.isdecimal() else char for char in written)


class Numerals:
    """Reader of a language's numbers."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def parse(self, written: str) -> Number | None:
        """Parse a number in the language's notation, or in the other one where that is clear.

        Of two marks, the last one is the decimal mark. The language's group mark is a decimal mark where the digits
        after it are not a group, and is then read by its own name.

        :returns: None if the marks make no sense, e.g. 1,23,4 and 1.234,567.890.
        """
        written = ascii_digits(_SPACES.sub("", written)).replace("٫", ".").replace("٬", ",")
        marks = [char for char in written if char in ".,"]
        if not marks:
            return Number(written)
        head, last, tail = written.rpartition(marks[-1])
        if len(set(marks)) == 2 and marks.count(last) == 1:
            return Number(head.replace(".", "").replace(",", ""), tail, last)
        if len(marks) == 1 and (last == self.words.decimal_mark or len(tail) != 3 or head.startswith("0")):
            return Number(head, tail, last)
        return Number(written.replace(last, "")) if len(tail) == 3 and len(set(marks)) == 1 else None

    def digits(self, written: str) -> str:
        """Read digits one by one."""
        return " ".join(self.integer(int(char)) for char in written if char.isdecimal())

    def integer(self, number: int, gender: str = "") -> str:
        """Read an integer.

        :param gender: of what it counts; "": nothing.
        """
        read = self.words.numbers
        spoken = numbers.cardinal(number, read) if isinstance(read, str) else read(number)
        return self.words.agree(spoken, number, gender)

    def written(self, digits: str, gender: str = "") -> str:
        """Read an integer as it is written: digit by digit if it is long or has leading zeros."""
        if len(digits) > numbers.MAX_DIGITS or (len(digits) > 1 and int(digits[0]) == 0):
            return self.digits(digits)
        return self.integer(int(digits), gender)

    def number(self, number: Number, gender: str = "") -> str:
        """Read a number with its decimals."""
        whole = self.written(number.integer, "" if number.fraction else gender)
        if not number.fraction:
            return whole
        if len(number.integer) < 10 and (read := self.words.read_decimals(number.integer, number.fraction)):
            return read
        mark = self.words.decimal if number.mark == self.words.decimal_mark else self.words.point
        return f"{whole} {mark} {self._decimals(number.fraction)}"

    def _decimals(self, digits: str) -> str:
        zeros = len(digits) - len(digits.lstrip("0"))
        if not self.words.decimals_as_number or len(digits) > 3 or zeros == len(digits):
            return self.digits(digits)
        return f"{self.digits('0' * zeros)} {self.integer(int(digits))}".strip()

    def form(self, number: Number, noun: Noun) -> str:
        """The form of a noun after a number."""
        return noun.forms[min(self.words.plural(number), len(noun.forms) - 1)]

    def counted(self, number: Number, noun: Noun) -> str:
        """Read a number with what it counts, e.g. two hours."""
        return f"{self.number(number, noun.gender)} {self.form(number, noun)}"

    def ordinal(self, number: int) -> str:
        """Read an ordinal number in the form that ``num2words`` has."""
        return numbers.ordinal(number, str(self.words.numbers))

    def fraction(self, numerator: int, denominator: int) -> str | None:
        """Read a fraction by its name, e.g. three quarters; None if it has none."""
        if named := self.words.fractions.get((numerator, denominator)):
            return named
        if not (forms := self.words.denominators.get(denominator)):
            return None
        noun = Noun(self.words.fraction_gender, forms)
        return self.counted(Number(str(numerator)), noun)
