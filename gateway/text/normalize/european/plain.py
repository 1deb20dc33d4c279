"""Numbers of a language of which nothing but its numbers is known."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize import numbers
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import EMOJI_RULES, apart

_NUMBER = re.compile(
    r"(?<![\d.,])\d{1,12}[.,](?:\d{1,2}|\d{4,9})(?!\d|[.,]\d)|\d{1,3}(?:[., \u00a0\u202f]\d{3}){1,4}(?!\d|[.,]\d)|\d+"
)


class PlainNumbers:
    """A normalizer that reads whole numbers and decimals, and drops emoji. Signs stay as they are.

    :param language: as ``num2words`` names it.
    """

    rules: Sequence[Rule] = EMOJI_RULES

    def __init__(self, language: str) -> None:
        self._language = language

    def read_rest(self, text: str) -> list[Edit]:
        """Read each number."""
        edits = []
        for match in _NUMBER.finditer(text):
            written = match[0]
            if written.isdecimal() or re.search(r"\D\d{3}$", written):
                spoken: str | None = self._whole(re.sub(r"\D", "", written))
            else:
                spoken = numbers.decimal(written.replace(",", "."), self._language)
            if spoken is not None:
                edits.append(self._edit(text, *match.span(), spoken))
                continue
            for part in re.finditer(r"\d+", written):
                start = match.start() + part.start()
                edits.append(self._edit(text, start, start + len(part[0]), self._whole(part[0])))
        return edits

    def _whole(self, written: str) -> str:
        if len(written) > numbers.MAX_DIGITS or (len(written) > 1 and int(written[0]) == 0):
            return numbers.digits(written, self._language)
        return numbers.cardinal(int(written), self._language)

    @staticmethod
    def _edit(text: str, start: int, end: int, spoken: str) -> Edit:
        return Edit(start, end, apart(text, start, end, spoken), "cardinal")
