"""Japanese readings of amounts: percentages, money, measures, ranges, ratios and plain numbers."""

from __future__ import annotations

import re

from gateway.text.normalize.cjk import LATIN, NUMBER, SCALES, SIGN, START, after, any_of, fold, following, roman, rule
from gateway.text.normalize.japanese.numbers import cardinal, digits, fraction, model_number, number
from gateway.text.normalize.japanese.words import PER, PREFIXES, SPEEDS, UNITS
from gateway.text.sentences import is_cjk

_TO = r"\s?(?:[-–—−－~～〜]{1,2}|から)\s?"
_FIRST = rf"(?P<sign>{SIGN}){START}(?P<first>{NUMBER})"
_SCALE = rf"(?P<scale>\s?(?:[十百千万億兆]{{1,3}}|(?:{'|'.join(SCALES)})(?![{LATIN}])))?"
_PER = rf"(?:\s?[/／]\s?(?P<per>{any_of(PER)})(?![{LATIN}]))?"
_UNIT = any_of(UNITS)
_CURRENCY = any_of(PREFIXES)
_MINUS_OR_PLUS = {"-": "マイナス", "+": "プラス", "±": "プラスマイナス"}


def _sign(match: re.Match[str]) -> str:
    return _MINUS_OR_PLUS.get(fold(match["sign"]), "")


def _span(match: re.Match[str]) -> str:
    """One number or a range."""
    last = match["last"]
    return _sign(match) + number(match["first"]) + (f"から{number(last)}" if last else "")


def _counted(match: re.Match[str]) -> str:
    """A number with a word, per something: 100円/月."""
    return PER[match["per"]] + _span(match) + match["scale"] + match["name"]


def _measured(match: re.Match[str]) -> str:
    """A number with a unit, which may be per another: 時速五キロメートル."""
    unit, per = UNITS[match["unit"]], match["per"]
    read = _span(match)
    if unit == "華氏":
        return f"華氏{read}度"
    if per in SPEEDS and unit.endswith("メートル"):
        before = match.string[max(0, match.start() - 2) : match.start()]
        return ("" if before == SPEEDS[per] else SPEEDS[per]) + read + unit
    return f"{PER[per]}あたり{read}{unit}" if per else read + unit


def _money(match: re.Match[str]) -> str:
    scale = (match["scale"] or "").strip()
    amounts = [_price(written, scale) for written in (match["first"], match["last"]) if written]
    sign = _sign(match) or _MINUS_OR_PLUS.get(fold(match["inner"]), "")
    read = sign + "から".join(amounts) + ("" if scale in SCALES else scale) + PREFIXES[match["currency"]]
    return (PER[match["per"]] if match["per"] else "") + read


def _price(written: str, scale: str) -> str:
    """An amount of money; decimals of zeros are not read, and an English power of ten is part of it."""
    plain = re.sub(r"\.0+$", "", fold(written).replace(",", ""))
    whole, _, decimals = plain.partition(".")
    zeros = SCALES.get(scale, 0)
    if zeros and len(decimals) <= zeros and len(whole) + zeros <= 16:
        return cardinal(int(whole + decimals.ljust(zeros, "0")))
    return number(plain)


def _range(match: re.Match[str]) -> str:
    first, last = (fold(match[name]) for name in ("first", "last"))
    if (
        "-" in fold(match["dash"])
        and not match["sign"]
        and float(first.replace(",", "")) >= float(last.replace(",", ""))
    ):
        return f"{number(first)}対{number(last)}"
    return f"{_sign(match)}{number(first)}から{number(last)}"


def _cardinal(match: re.Match[str]) -> str:
    """A number; digit by digit if it is an identifier or a number after an English word."""
    written, sign = fold(match["first"]), fold(match["sign"])
    before = match.string[max(0, match.start("first") - 2) : match.start("first")]
    if (
        sign == "-"
        and is_cjk(before[:1])
        and not (before[0] in "はがを約度温がも" or following(match).startswith(("度", "点", "%")))
    ):
        return " " + model_number(written)
    read = "一千" if written == "1000" and following(match).startswith(("万", "億", "兆")) else number(written)
    if written.isdigit() and not is_cjk(following(match)[:1]) and len(written) > 8:
        read = digits(written)
    elif written.isdigit() and len(written) == 3 and re.fullmatch(r"[A-Za-z][ \xa0]", before):
        read = model_number(written)
    return _MINUS_OR_PLUS.get(sign, "") + read


def _ratio(match: re.Match[str]) -> str:
    return "対".join(number(part) for part in re.split(r"\s?[-–—−－:：∶]\s?", match[0]))


def _mixed_fraction(match: re.Match[str]) -> str:
    if int(match[2]) > int(match[3]) > 10:  # blood pressure
        return f"{number(match[2])}の{number(match[3])}"
    whole = f"{cardinal(int(match[1]))}と" if match[1] else ""
    return whole + fraction(int(match[2]), int(match[3]))


def _roman(match: re.Match[str]) -> str | None:
    value = roman(match[1])
    return cardinal(value) if value else None


_WON = (
    "で勝|で敗|で負|で下|で破|で逆転|の勝利|の敗|と勝利|"
    "とリード|で引き分け|の引き分け|のスコア|でリード|と快勝|と圧勝|と逆転|の接戦|完封"
)
_SCORE = after("スコア スコアは 結果は 対戦成績 比率 割合", "[:： ]")
_COLON = r"\s?[-–:：∶]\s?"
_COUNTED = "円|人|名|時|日|分|歳|才|回|年|月|個|本|件|点|枚|台|km|kg|%|％|万円|時間|か月|ヶ月|カ月|週間|階|度|℃|畳|位"

SCORE_RULES = (
    rule("math", rf"{_SCORE}(?<![\d.])\d{{1,3}}{_COLON}\d{{1,3}}(?![\d.:：-])", _ratio),
    rule("math", rf"(?<![\d.:：-])\d{{1,3}}{_COLON}\d{{1,3}}(?=\s?(?:{_WON}))", _ratio),
)
AMOUNT_RULES = (
    rule(
        "percent",
        rf"{_FIRST}(?:\s?[%％‰]?{_TO}(?P<last>[-−]?{NUMBER}))?\s?(?P<percent>[%％‰])",
        lambda m: _span(m) + ("パーミル" if m["percent"] == "‰" else "パーセント"),
    ),
    rule(
        "currency",
        rf"(?<![{LATIN}])(?P<sign>[-−+＋]?)(?P<currency>{_CURRENCY})\s?(?P<inner>[-−]?)(?P<first>{NUMBER})(?:{_TO}(?:{_CURRENCY})?(?P<last>{NUMBER}))?{_SCALE}"
        rf"(?:\s?(?:円|ドル))?{_PER}",
        _money,
    ),
    rule(
        "currency",
        rf"{_FIRST}(?:\s?(?:{_CURRENCY})?{_TO}(?P<last>{NUMBER}))?{_SCALE}\s?(?P<inner>)(?P<currency>{_CURRENCY})(?![{LATIN}\d]){_PER}",
        _money,
    ),
    rule(
        "currency",
        rf"{_FIRST}(?:{_TO}(?P<last>{NUMBER}))?(?P<scale>[十百千万億]{{0,3}})(?P<name>円|ドル|ユーロ|元|ポンド|ウォン)\s?[/／]\s?(?P<per>{any_of(PER)})(?![{LATIN}])",
        _counted,
    ),
    rule(
        "unit",
        rf"{_FIRST}(?:{_TO}(?P<last>{NUMBER}))?(?P<scale>[十百千万億]{{0,3}})(?P<name>回|人|件|個|台|枚|字|歩|本)\s?[/／]\s?(?P<per>{any_of(PER)})(?![{LATIN}])",
        _counted,
    ),
    rule(
        "unit",
        rf"{START}({NUMBER})\s?(mph|kph)(?![{LATIN}])",
        lambda m: f"時速{number(m[1])}{'マイル' if m[2] == 'mph' else 'キロメートル'}",
    ),
    rule(
        "unit",
        rf"(?<![{LATIN}]){_FIRST}(?:\s?{_UNIT}?{_TO}(?P<last>[-−]?{NUMBER}))?\s?(?P<unit>{_UNIT})(?![{LATIN}\d²³])"
        rf"(?:\s?[/／]\s?(?P<per>{any_of(PER | SPEEDS)})(?![{LATIN}]))?",
        _measured,
    ),
    rule(
        "unit",
        r"(?<![\d.])(\d{1,3})°\s?(\d{1,2})['′](?:\s?(\d{1,2}(?:\.\d{1,3})?)[\"″])?",
        lambda m: "".join(
            number(part.lstrip("0") or "0") + unit for part, unit in zip(m.groups(), "度分秒", strict=True) if part
        ),
    ),
    rule(
        "range",
        rf"(?<![\w)）])[~～〜]\s?(?P<first>{NUMBER})(?P<unit>{_COUNTED})(?![~～〜]|くらい|ぐらい|ほど|程度|前後)",
        lambda m: f"{number(m['first'])}{_unit(m['unit'])}まで",
    ),
)
"""Numbers with a percent sign, a currency or a unit."""


def _unit(written: str) -> str:
    return UNITS.get(written, written).replace("%", "パーセント").replace("％", "パーセント")


NUMBER_RULES = (
    rule("roman", r"(?<=第)([IVX]{1,5})(?![A-Za-z])", _roman, "IVX"),
    rule("roman", r"(?<![A-Za-z])([IVX]{1,5})(?=世)", _roman, "IVX"),
    rule("roman", r"(?<=[\u30a1-\u30fc\u4e00-\u9fff])([IVX]{2,5})(?![A-Za-z\d])", _roman, "IVX"),
    rule("math", r"\^\s?\(?([-−]?\d{1,6})\)?", lambda m: f"の{number(m[1])}乗"),
    rule(
        "math",
        rf"(?<=[\d)）²³{LATIN}])\s?[-−–－]\s?(?=[\d(（√{LATIN}][^、。！？；\n]{{0,30}}[=＝≒≈])",
        lambda _: "マイナス",
        "=＝≒≈",
    ),
    rule("math", r"(?<==)\s?[-−－](?=\d)", lambda _: "マイナス"),
    rule("math", rf"(?<=[\d)）])\s?[*＊]\s?(?=[\d(（{LATIN}])", lambda _: "かける", "*＊"),
    rule("math", r"(?<=[\d)）])\s?[/／]\s?(?=\d{1,12}(?:\.\d{1,6})?\s?[=＝≈])", lambda _: "割る"),
    rule("math", r"(?<=\d)\s?[xX]\s?(?=\d)", lambda _: "かける"),
    rule(
        "ordinal",
        rf"(?<=第)\s?(\d{{1,9}})(?:{_TO}(\d{{1,9}}))?(?!\d)",
        lambda m: "から".join(number(part) for part in m.groups() if part),
    ),
    rule("ordinal", r"(?<![^\n])(\d{1,2})(?:[.．)）]\s?(?=\D)|\s?[)）])", lambda m: f"{number(m[1])}、"),
    rule("ordinal", r"[#＃](\d{1,6})(?![\w.])", lambda m: f"ナンバー{number(m[1])}"),
    rule("fraction", r"(?<![\d/.])(?:(\d{1,4}) )?(\d{1,4})\s?[/⁄／]\s?(\d{1,4})(?![\d/])", _mixed_fraction),
    rule(
        "math",
        r"(?<![\d.])(?<!\d[:：])\d{1,6}(?:\.\d{1,3})?(?:\s?[:：∶]\s?\d{1,6}(?:\.\d{1,3})?){1,3}(?![\d:：])",
        _ratio,
    ),
    rule("cardinal", rf"(?<![\d.{LATIN}])[.．](\d{{1,9}})(?![\d.])", lambda m: f"点{digits(m[1])}"),
    rule("range", r"(?:(?<=\d[\u4e00-\u9fff])|(?<=\d[\u4e00-\u9fff]{2}))\s?[-–—~～〜]{1,2}\s?(?=\d)", lambda _: "から"),
    rule(
        "range",
        r"(?:(?<=\d)|(?<=[円人名時日分歳才回年月個本件点枚台階度位万%％]))\s?[~～〜](?!\d)",
        lambda _: "から",
        "~～〜",
    ),
    rule("range", rf"{_FIRST}(?P<dash>{_TO})(?P<last>{NUMBER})(?!\s?[-–]\s?\d)", _range),
    rule(
        "range",
        r"(?<=[\u4e00-\u9fff\u30a1-\u30fc])\s?[~～〜]\s?(?=[\u4e00-\u9fff\u30a1-\u30fc])",
        lambda _: "から",
        "~～〜",
    ),
    rule("range", r"(?<=[)）」])\s?[~～〜]\s?(?=\d)", lambda _: "から"),
    rule("range", rf"(?<![\u4e00-\u9fff\d)）{LATIN}])[~～〜](?=\d)", lambda _: "約"),
    rule("cardinal", _FIRST, _cardinal),
)
"""Other numbers."""
