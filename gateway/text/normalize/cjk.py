"""Shared by the Chinese and the Japanese normalizer: parts of patterns, and a reader of what no rule claims."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from typing import Protocol

from backends.text import SPOKEN_PUNCTUATION
from gateway.text.mapped_text import Edit
from gateway.text.normalize.rules import Rule
from gateway.text.sentences import is_cjk

# A pattern starts where no digit is before it, so that a long run of digits is tried once.
START = r"(?<!\d)(?<!\d[.．])"
DIGITS = "0123456789０１２３４５６７８９"
LATIN = "A-Za-zＡ-Ｚａ-ｚ"
SIGN = rf"(?:(?<![\d{LATIN})）\]%％℃°])[-－−+＋±])?"
INTEGER = r"(?:\d{1,3}(?:,\d{3}(?!\d)){1,5}|[０-９]{1,3}(?:，[０-９]{3}(?!\d)){1,5}|\d{1,16}(?!\d))"
NUMBER = rf"{INTEGER}(?:[.．]\d{{1,12}}(?!\d))?"

SCALES = {"k": 3, "K": 3, "M": 6, "m": 6, "mn": 6, "million": 6, "B": 9, "bn": 9, "billion": 9, "T": 12, "trillion": 12}
"""English powers of ten after an amount of money."""


class Numbers(Protocol):
    """A language's numbers in words."""

    def digits(self, written: str) -> str:
        """Digits one by one; other characters are left out."""

    def cardinal(self, number: int) -> str:
        """A cardinal number of up to 16 digits."""

    def fraction(self, numerator: int, denominator: int) -> str:
        """A fraction."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """A reader of digits and signs that no rule claims.

    :param signs: the word for each sign. Other signs are read as the letters that they are made of (㈱), or dropped.
    """

    numbers: Numbers
    signs: Mapping[str, str]

    def edits(self, text: str) -> list[Edit]:
        """Return the edits of a text, after which it has no numeral and no sign."""
        found = []
        position = 0
        for is_digits, group in groupby(text, key=str.isdecimal):
            run = "".join(group)
            if is_digits:
                found.append(Edit(position, position + len(run), self.numbers.digits(run), "cardinal"))
            else:
                found += [
                    Edit(position + at, position + at + 1, self._word(char), self._category(char))
                    for at, char in enumerate(run)
                    if char in self.signs or is_sign(char)
                ]
            position += len(run)
        return found

    def _category(self, char: str) -> str:
        return "cardinal" if unicodedata.category(char)[0] == "N" else "sign"

    def _word(self, char: str) -> str:
        if char in self.signs:
            return self.signs[char]
        if unicodedata.category(char)[0] == "N":
            return self.numeral(char)
        return "".join(part for part in unicodedata.normalize("NFKC", char) if part.isalpha())

    def numeral(self, char: str) -> str:
        """The value of a numeral: ½, Ⅳ, ①."""
        value = Fraction(unicodedata.numeric(char)).limit_denominator(100)
        if value.denominator > 1:
            return self.numbers.fraction(value.numerator, value.denominator)
        return self.numbers.cardinal(int(value))


def is_sign(char: str) -> bool:
    """Whether a character is a numeral or a sign, which is not spoken as it is written."""
    return unicodedata.category(char)[0] in "NS" or char in SPOKEN_PUNCTUATION


def fold(written: str) -> str:
    """ASCII digits, letters and signs for full-width and other forms of them."""
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else unicodedata.normalize("NFKC", char) for char in written
    ).replace("−", "-")


def pairs(table: str) -> dict[str, str]:
    """A dictionary from words ``key:value`` between white space; a word alone is its own value."""
    entries = (entry.partition(":") for entry in table.split())
    return {key: value or key for key, _, value in entries}


def any_of(words: Iterable[str]) -> str:
    """A pattern for one of the words, the longest that fits."""
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


def after(words: str, between: str = "[:： ]") -> str:
    """A pattern that holds after one of the words, with or without one character between.

    :param words: separated by spaces.
    """
    found = []
    for _, group in groupby(sorted(words.split(), key=len), key=len):
        choice = "|".join(group)
        found += [f"(?<={choice})", f"(?<=(?:{choice}){between})"]
    return f"(?:{'|'.join(found)})"


def marks_rules() -> tuple[Rule, ...]:
    """Rules for Markdown's marks and the signs of hashtags, which are not spoken."""
    marks = r"\*{2,}|_{2,}|~{2,}|`{1,3}|(?<![^\n])#{1,6}[ \t]|(?<![^\n])[ \t]{0,8}[-*+•·][ \t]+|(?<![^\n])>[ \t]"
    return (
        Rule("sign", re.compile(marks), lambda _: ""),
        Rule(
            "sign",
            re.compile(r"(?<![\w/&])[#＃](?=\d{0,10}[^\W\d])|(?<=[\u3040-\u9fff])[#＃](?!\d|[键鍵号號キ])"),
            lambda _: "",
        ),
    )


def compact(rule: Rule) -> Rule:
    """A rule without spaces next to Chinese and Japanese characters."""

    def read(match: re.Match[str]) -> str | None:
        words = rule.read(match)
        if not words:
            return words
        before, after_it = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
        core = words.strip(" ")
        left = " " if words[0] == " " and not (is_cjk(before) or is_cjk(core[:1])) else ""
        right = " " if words[-1] == " " and not (is_cjk(after_it) or is_cjk(core[-1:])) else ""
        return left + core + right

    return replace(rule, read=read)


def rule(category: str, pattern: str, read: Callable[[re.Match[str]], str | None], needs: str = DIGITS) -> Rule:
    """A rule by its pattern's source; most of them need a digit."""
    return Rule(category, re.compile(pattern), read, frozenset(needs))


def following(match: re.Match[str]) -> str:
    """The few characters after a match."""
    return match.string[match.end() : match.end() + 6]


def roman(written: str) -> int | None:
    """The value of a Roman numeral up to 20."""
    return int(_ROMANS.get(written, "0")) or None


_ROMANS = pairs(
    "I:1 II:2 III:3 IV:4 V:5 VI:6 VII:7 VIII:8 IX:9 X:10 "
    "XI:11 XII:12 XIII:13 XIV:14 XV:15 XVI:16 XVII:17 XVIII:18 XIX:19 XX:20"
)
