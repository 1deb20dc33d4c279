"""Japanese readings of phone numbers, addresses and other numbers that are read digit by digit, and of model names."""

from __future__ import annotations

import re

from gateway.text.normalize.cjk import LATIN, after, fold, rule
from gateway.text.normalize.japanese.numbers import cardinal, digits, model_number, number

_NUMBERED = after(
    "暗証番号 パスワード 会員番号 注文番号 認証コード 確認コード 口座番号 受付番号 予約番号 整理番号 "
    "登録番号 管理番号 社員番号 学籍番号 伝票番号 追跡番号 お問い合わせ番号 品番 型番 ID 内線 証券コード "
    "コード",
    "[:：は ]",
)
_CALL = after("電話 電話番号 携帯 ファックス FAX TEL Tel 電話は", "[:：は ]")
_SPOKEN_DIGITS = {"2": "ツー", "3": "スリー", "4": "フォー", "5": "ファイブ", "6": "シックス"}
_ORDINALS = {"1": "ファースト", "2": "セカンド", "3": "サード"}


def groups(written: str) -> str:
    """Digits one by one, with の between groups: 〇三の一二三四."""
    return "の".join(filter(None, (digits(group) for group in re.split(r"\D+", fold(written)))))


def _phone(match: re.Match[str]) -> str:
    return ("プラス" if fold(match[0]).startswith("+") else "") + groups(match[0])


def _house(match: re.Match[str]) -> str:
    """The numbers of a block and a house, with の between them."""
    return "の".join(number(part) for part in re.split(r"\D+", fold(match[0])) if part)


def _in_name(match: re.Match[str]) -> str:
    dash = " " if match["before"] else ""
    return dash + model_number(match["number"]) + (" " if match["after"] else "")


_DASH = "[-‐‑－_]"
_HYPHEN = "[-‐‑－−–]"
CODE_RULES = (
    rule("phone", r"[+＋]\d{1,3}(?:[- ]\d{1,5}){2,5}(?![\d-])", _phone),
    rule("phone", rf"(?<![\d+-])[(（]?0\d{{1,4}}[)）]?{_HYPHEN}?\d{{1,4}}{_HYPHEN}\d{{3,4}}(?![\d-])", _phone),
    rule("phone", r"(?<![\d+-])[(（]0\d{1,4}[)）]\s?\d{1,4}-?\d{4}(?![\d-])", _phone),
    rule("phone", r"(?<![\d.,-])0[5789]0[ ]?\d{4}[ ]?\d{4}(?!\d)|(?<![\d.,-])0120\d{6}(?!\d)", _phone),
    rule("phone", rf"{_CALL}(?<!\d)\d{{3,12}}(?!\d|\.\d|番|[回件台円人個本枚秒分時万])", _phone),
    rule("code", rf"〒\s?\d{{3}}{_HYPHEN}\d{{4}}(?!\d)", lambda m: f"郵便番号{groups(m[0])}"),
    rule("code", rf"{after('郵便番号', '[:：は ]')}(?<!\d)\d{{3}}{_HYPHEN}?\d{{4}}(?!\d)", lambda m: groups(m[0])),
    rule(
        "code",
        rf"{_NUMBERED}(?<!\d)\d{{3,30}}(?:-\d{{1,12}}){{0,5}}(?!\d|\.\d|[個件円人回枚本台行字万])",
        lambda m: groups(m[0]),
    ),
    rule("code", r"(?<![\d.])\d{3,4}(?=号室|会議室|教室|病室)", lambda m: digits(m[0])),
    rule("code", rf"(?<=\d\d[ぁ-ん])\s?\d{{2}}{_HYPHEN}\d{{2}}(?!\d)", lambda m: groups(m[0])),
    rule("code", r"(?<=[A-Z])\d{1,4}(?=便)", lambda m: number(m[0])),
    rule("address", rf"(?<![\d.{LATIN}])(?<!{_HYPHEN})\d{{1,5}}(?:{_HYPHEN}\d{{1,5}}){{2,5}}(?![\d-])", _house),
    rule(
        "address",
        rf"(?<=[町区市村郡目台丘地里])\d{{1,4}}{_HYPHEN}\d{{1,4}}(?![\d{LATIN}人名日月年時分回個本-])",
        _house,
    ),
)
"""Numbers that are read digit by digit or in groups."""

NAME_RULES = (
    rule("code", rf"(?<=[図表問式])\d{{1,3}}{_HYPHEN}\d{{1,3}}(?![\d-])", _house),
    rule(
        "abbreviation",
        r"(?<![A-Za-z])pp?\.\s?(\d{1,5})(?:[-–〜～](\d{1,5}))?(?!\d)",
        lambda m: "から".join(number(page) for page in m.groups() if page) + "ページ",
    ),
    rule("abbreviation", r"(?<![A-Za-z])(?:N[oO]\.?|№)\s?1(?!\d)", lambda _: "ナンバーワン"),
    rule("abbreviation", r"(?<![A-Za-z])(?:N[oO]\.?|№)\s?(\d{1,12})(?!\d)", lambda m: f"ナンバー{number(m[1])}"),
    rule("abbreviation", r"(?<![A-Za-z])[Vv]ol\.\s?(\d{1,4})(?!\d)", lambda m: f"第{number(m[1])}巻"),
    rule("abbreviation", r"(?<![A-Za-z])[Vv][Ss](?:\.|(?![A-Za-z]))", lambda _: "対", "sS"),
    rule(
        "ordinal",
        r"(?<![\d.])(\d{1,3})(?:st|nd|rd|th)(?![A-Za-z])",
        lambda m: _ORDINALS.get(m[1]) or f"{cardinal(int(m[1]))}番目",
    ),
    rule("code", r"(?<![A-Z][A-Z])(?<=[BCDFGMOP])2(?=[BCEFGMOP](?![A-Za-z]))", lambda _: " to "),
    rule(
        "code",
        rf"(?<![\d.{LATIN}])([2-6])(?=(?:[DG]|D[^A-Za-z\d])(?![{LATIN}\d]))",
        lambda m: _SPOKEN_DIGITS[fold(m[1])],
    ),
    rule("code", rf"(?<=MP)[34](?![{LATIN}\d])", lambda m: _SPOKEN_DIGITS[fold(m[0])]),
    rule(
        "code",
        rf"(?<=[{LATIN}])(?P<before>{_DASH})?(?P<number>\d{{1,12}}(?:\.\d{{1,6}}){{0,4}})(?!\d)(?P<after>{_DASH}(?=[{LATIN}\d]))?",
        _in_name,
    ),
    rule("code", rf"(?<![\d.])(?P<before>)(?P<number>\d{{1,12}})(?P<after>{_DASH})?(?=[{LATIN}])", _in_name),
    rule("code", r"(?<![A-Za-z])C\+\+", lambda _: "Cプラスプラス", "+"),
    rule("code", r"(?<![A-Za-z])([CFJ])[#＃](?!\w)", lambda m: f"{m[1]}シャープ", "#＃"),
)
"""Numbers in names, and abbreviations before numbers."""
