"""Numbers of a language of which nothing but its numbers is known."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize import numbers
from gateway.text.normalize.rules import Rule
from gateway.text.normalize.shared import EMOJI_RULES, apart


class PlainNumbers:
    """A normalizer that reads whole numbers, and drops emoji. Signs and decimal marks stay as they are.

    :param language: as ``num2words`` names it.
    """

    rules: Sequence[Rule] = EMOJI_RULES

    def __init__(self, language: str) -> None:
        self._language = language

    def read_rest(self, text: str) -> list[Edit]:
        """Read each run of digits."""
        edits = []
        for match in re.finditer(r"\d+", text):
            written = match[0]
            if len(written) > numbers.MAX_DIGITS or (len(written) > 1 and int(written[0]) == 0):
                spoken = numbers.digits(written, self._language)
            else:
                spoken = numbers.cardinal(int(written), self._language)
            edits.append(Edit(*match.span(), apart(text, *match.span(), spoken), "cardinal"))
        return edits
