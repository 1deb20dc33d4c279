"""English text normalization."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize.english import (
    abbreviations,
    codes,
    dates,
    marks,
    money,
    numbers,
    phones,
    rest,
    roman,
    signs,
    times,
    units,
    years,
)
from gateway.text.normalize.english.words import code_number
from gateway.text.normalize.rules import Language, Rule
from gateway.text.normalize.shared import EMOJI_RULES, AddressWords, address_rules

_ADDRESS_WORDS = AddressWords(
    dot="dot",
    slash="slash",
    backslash="backslash",
    colon="colon",
    at="at",
    dash="dash",
    underscore="underscore",
    plus="plus",
    tilde="tilde",
    hashtag="hashtag",
    point="point",
    version="version",
    number=code_number,
)
*_ADDRESSES, _VERSION = address_rules(_ADDRESS_WORDS)


class English:
    """The English normalizer."""

    rules: Sequence[Rule] = (
        *EMOJI_RULES,
        *marks.RULES,
        *_ADDRESSES,
        codes.HEXADECIMAL_RULE,
        *phones.RULES,
        *dates.RULES,
        *years.RULES,
        *money.RULES,
        *times.RULES,
        numbers.GROUPED_RULE,
        _VERSION,
        *numbers.FRACTION_RULES,
        *units.RULES,
        *signs.POWER_RULES,
        numbers.ORDINAL_RULE,
        *roman.RULES,
        *abbreviations.RULES,
        numbers.SCALED_RULE,
        *codes.RULES,
        numbers.RANGE_RULE,
        times.RATIO_RULE,
        years.YEAR_RULE,
        numbers.CARDINAL_RULE,
        *signs.RULES,
    )

    def read_rest(self, text: str) -> list[Edit]:
        """Read what no rule has claimed."""
        return rest.read_rest(text)


LANGUAGE: Language = English()
