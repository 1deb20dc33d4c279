"""Chinese text normalization."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize.chinese.amounts import AMOUNT_RULES, NUMBER_RULES, SCORE_RULES
from gateway.text.normalize.chinese.codes import CODE_RULES, NAME_RULES, model_number
from gateway.text.normalize.chinese.dates import DATE_RULES
from gateway.text.normalize.chinese.numbers import cardinal, digits, fraction
from gateway.text.normalize.chinese.rules import rule
from gateway.text.normalize.chinese.words import GREEK, MATH, SIGNS, in_script_of
from gateway.text.normalize.cjk import Leftovers, compact, fold, following, marks_rules
from gateway.text.normalize.rules import Language, Rule
from gateway.text.normalize.shared import EMOJI_RULES, AddressWords, address_rules

*_ADDRESS_RULES, _HASHTAG_RULE, _VERSION_RULE = map(
    compact,
    address_rules(
        AddressWords(
            dot="点",
            slash="斜杠",
            backslash="反斜杠",
            colon="冒号",
            at="艾特",
            dash="杠",
            underscore="下划线",
            plus="加",
            tilde="波浪号",
            hashtag="",
            point="点",
            version="V",
            number=model_number,
            gap="",
        )
    ),
)


class _Numbers:
    """The numbers of what no rule claims."""

    def digits(self, written: str) -> str:
        return digits(written)

    def cardinal(self, number: int) -> str:
        return cardinal(number)

    def fraction(self, numerator: int, denominator: int) -> str:
        return fraction(numerator, denominator)


_LEFTOVERS = Leftovers(_Numbers(), SIGNS)


def _item(match: re.Match[str]) -> str:
    """A number in a circle; before a word it starts an item of a list."""
    return _LEFTOVERS.numeral(match[0]) + ("，" if following(match)[:1].isalnum() else "")


def _numeral_fraction(match: re.Match[str]) -> str:
    whole = f"{cardinal(int(match[1]))}又" if match[1] else ""
    return whole + _LEFTOVERS.numeral(match[2])


_SIGN_RULES = (
    rule("sign", r"(?<![\w”」』）)])[→⇒](?!\w)|(?<![^\n])[→⇒]|[→⇒](?![^\n])", lambda _: "", "→⇒"),
    rule("math", r"[-=]>", lambda _: "到", ">"),
    rule("math", f" ?([{re.escape(''.join(MATH))}]) ?", lambda m: MATH[m[1]], "".join(MATH)),
    rule("sign", "[\u0391-\u03c9](?![\u0370-\u03ff])(?<![\u0370-\u03ff]{2})", lambda m: GREEK.get(m[0].lower()), ""),
    rule("sign", r"(?<=[A-Za-z])\s?[&＆]\s?(?=[A-Za-z])", lambda _: " and ", "&＆"),
    rule("sign", r"(?<=[A-Za-z\d])\s?/\s?(?=[A-Za-z])|(?<=[A-Za-z])/(?=\d)", lambda _: " ", "/"),
    rule(
        "range",
        r"\s?(?:(?<=[日月号號时時分点點年岁歲级級楼层一二三四五六七八九十])[~～]{1,2}(?=[\u4e00-\u9fff])|(?<=[周週][一二三四五六日])-(?=[周週]))\s?",
        lambda _: "到",
        "~～-",
    ),
    rule("sign", r"(?<=\w)[~～]{1,9}(?=[\u4e00-\u9fff])", lambda _: "，", "~～"),
    rule("sign", "〇", lambda _: "零", "〇"),
    rule("sign", "[Ａ-Ｚａ-ｚ]{1,60}", lambda m: fold(m[0]), ""),
    rule("sign", r"[○◯](?=[\u4e00-\u9fff○◯])", lambda _: "某", "○◯"),
)


class Chinese:
    """The Chinese normalizer."""

    rules: Sequence[Rule] = (
        *marks_rules(),
        *map(compact, EMOJI_RULES),
        rule("address", r"@(?=[\u4e00-\u9fff])", lambda _: "艾特", "@"),
        *_ADDRESS_RULES,
        *SCORE_RULES,
        *DATE_RULES,
        _VERSION_RULE,
        *CODE_RULES,
        *AMOUNT_RULES,
        rule("fraction", r"(?<![\d.])(\d{1,4})?\s?([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])", _numeral_fraction, "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"),
        rule("roman", "[Ⅰ-ↈ]", lambda m: _LEFTOVERS.numeral(m[0]), ""),
        rule("ordinal", "[①-⒛㉑-㉟㊱-㊿❶-➓⓪-⓿㈠-㈩㊀-㊉]", _item, ""),
        *NAME_RULES,
        *NUMBER_RULES,
        *_SIGN_RULES,
    )

    def read_rest(self, text: str) -> list[Edit]:
        """Read digits one by one and signs by a word."""
        return [
            Edit(edit.start, edit.end, in_script_of(text, edit.start, edit.end, edit.spoken), edit.category)
            for edit in _LEFTOVERS.edits(text)
        ]


LANGUAGE: Language = Chinese()
