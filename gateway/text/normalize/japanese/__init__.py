"""Japanese text normalization."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize.cjk import Leftovers, compact, fold, following, marks_rules, rule
from gateway.text.normalize.japanese.amounts import AMOUNT_RULES, NUMBER_RULES, SCORE_RULES
from gateway.text.normalize.japanese.codes import CODE_RULES, NAME_RULES
from gateway.text.normalize.japanese.dates import DATE_RULES
from gateway.text.normalize.japanese.numbers import cardinal, digits, fraction, model_number
from gateway.text.normalize.japanese.words import GREEK, MATH, SIGNS
from gateway.text.normalize.rules import Language, Rule
from gateway.text.normalize.shared import EMOJI_RULES, AddressWords, address_rules

*_ADDRESS_RULES, _HASHTAG_RULE, _VERSION_RULE = map(
    compact,
    address_rules(
        AddressWords(
            dot="ドット",
            slash="スラッシュ",
            backslash="バックスラッシュ",
            colon="コロン",
            at="アットマーク",
            dash="ハイフン",
            underscore="アンダーバー",
            plus="プラス",
            tilde="チルダ",
            hashtag="",
            point="点",
            version="バージョン",
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
    return _LEFTOVERS.numeral(match[0]) + ("、" if following(match)[:1].isalnum() else "")


def _numeral_fraction(match: re.Match[str]) -> str:
    whole = f"{cardinal(int(match[1]))}と" if match[1] else ""
    return whole + _LEFTOVERS.numeral(match[2])


_KANA = "[\u3041-\u3096\u30a1-\u30fa]"
_SIGN_RULES = (
    rule("sign", r"(?<![\w」』）)])[→⇒](?!\w)|(?<![^\n])[→⇒]|[→⇒](?![^\n])", lambda _: "", "→⇒"),
    rule("math", r"[-=]>", lambda _: "から", ">"),
    rule("sign", "(?<=[\u30a1-\u30fc])[=＝](?=[\u30a1-\u30fc])", lambda _: "・", "=＝"),
    rule("sign", r"(?<![\w)）])[×✕](?![\w(（])", lambda _: "バツ", "×✕"),
    rule("math", f" ?([{re.escape(''.join(MATH))}]) ?", lambda m: MATH[m[1]], "".join(MATH)),
    rule("sign", "[\u0391-\u03c9](?![\u0370-\u03ff])(?<![\u0370-\u03ff]{2})", lambda m: GREEK.get(m[0].lower()), ""),
    rule("sign", r"(?<=[A-Za-z])\s?[&＆]\s?(?=[A-Za-z])", lambda _: "アンド", "&＆"),
    rule("sign", r"(?<=[A-Za-z\d])\s?/\s?(?=[A-Za-z])|(?<=[A-Za-z])/(?=\d)", lambda _: " ", "/"),
    rule("sign", f"(?<={_KANA})[~～〜]{{1,9}}(?!\\d)", lambda _: "ー", "~～〜"),
    rule(
        "sign",
        "(?:(?<=[一二三四五六七八九])|(?<=[一二三四五六七八九]〇))〇|〇(?=[一二三四五六七八九])",
        lambda _: "ゼロ",
        "〇",
    ),
    rule("sign", "〇", lambda _: "まる", "〇"),
    rule("sign", "[Ａ-Ｚａ-ｚ]{1,60}", lambda m: fold(m[0]), ""),
)


class Japanese:
    """The Japanese normalizer."""

    rules: Sequence[Rule] = (
        *marks_rules(),
        *map(compact, EMOJI_RULES),
        rule("address", r"[@＠](?=[\u3041-\u9fff])", lambda _: "アットマーク", "@＠"),
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
        return _LEFTOVERS.edits(text)


LANGUAGE: Language = Japanese()
