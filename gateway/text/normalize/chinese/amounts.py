"""Chinese readings of amounts: percentages, money, measures, ranges, ratios and plain numbers."""

from __future__ import annotations

import re

from gateway.text.normalize.chinese.codes import model_number
from gateway.text.normalize.chinese.numbers import amount, cardinal, digits, fraction, number
from gateway.text.normalize.chinese.rules import TO, rule
from gateway.text.normalize.chinese.words import PER, PREFIXES, UNITS
from gateway.text.normalize.cjk import LATIN, NUMBER, SCALES, SIGN, START, after, any_of, fold, following, roman
from gateway.text.sentences import is_cjk

_PER = rf"(?:\s?[/／]\s?(?P<per>{any_of(PER)})(?![{LATIN}]))?"
_FIRST = rf"(?P<sign>{SIGN}){START}(?P<first>{NUMBER})"
_SCALE = rf"(?P<scale>\s?(?:[十百千万萬亿億]{{1,3}}|(?:{'|'.join(SCALES)})(?![{LATIN}])))?"
_CURRENCY = any_of(PREFIXES)
_MINUS_OR_PLUS = {"-": "负", "+": "正", "±": "正负"}


def _sign(match: re.Match[str]) -> str:
    return _MINUS_OR_PLUS.get(fold(match["sign"]), "")


def _percent(match: re.Match[str]) -> str:
    whole = "千分之" if match["percent"] == "‰" else "百分之"
    first, last = (read and ("百" if fold(read) == "100" else number(read)) for read in (match["first"], match["last"]))
    return f"{_sign(match)}{whole}{first}" + (f"到{whole if match['repeated'] else ''}{last}" if last else "")


def _measured(match: re.Match[str]) -> str:
    """A number with a unit, which may be per another: 每小时五公里."""
    unit = UNITS[match["unit"]]
    below = "零下" if "摄氏" in unit else "负"
    read, last = amount(match["first"], unit), fold(match["last"] or "")
    if last:
        read += f"到{below if last[0] == '-' else ''}{amount(last.lstrip('-'), unit)}"
    sign = below if fold(match["sign"]) == "-" else _sign(match)
    return f"华氏{sign}{read}度" if "华氏" in unit else _each(match, sign + read + unit)


def _counted(match: re.Match[str]) -> str:
    """A number with a word, per something: 100元/月."""
    word = match["scale"] + match["name"]
    amounts = "到".join(amount(written, word) for written in (match["first"], match["last"]) if written)
    return _each(match, _sign(match) + amounts + word)


def _each(match: re.Match[str], read: str) -> str:
    """An amount per something, which Chinese says first."""
    if not match["per"]:
        return read
    each = f"每{PER[match['per']]}"
    return read if match.string.endswith((each, "时速", "時速"), 0, match.start()) else each + read


def _money(match: re.Match[str]) -> str:
    currency = PREFIXES[match["currency"]]
    scale = (match["scale"] or "").strip()
    read = "到".join(_price(written, scale, currency) for written in (match["first"], match["last"]) if written)
    read = _sign(match) + _MINUS_OR_PLUS.get(fold(match["inner"]), "") + read + ("" if scale in SCALES else scale)
    return _each(match, f"新台币{read}元" if currency == "新台币" else read + currency)


def _price(written: str, scale: str, currency: str) -> str:
    """An amount of money; zeros at the end of the decimals are not read, and an English power of ten is part of it."""
    plain = fold(written).replace(",", "")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    if scale not in SCALES:
        return amount(plain, scale or currency[-1])
    whole, _, decimals = plain.partition(".")
    zeros = SCALES[scale]
    if len(decimals) > zeros or len(whole) + zeros > 16:
        return number(plain) + cardinal(10**zeros).removeprefix("一")
    return _rounded(int(whole + decimals.ljust(zeros, "0")))


def _rounded(value: int) -> str:
    """A large number as news has it: 一点五亿, 二百五十万."""
    for unit, name in ((10**8, "亿"), (10**4, "万")):
        if value >= unit and value % unit and value * 100 % unit == 0:
            return number(f"{value / unit:.2f}".rstrip("0")) + name
    return cardinal(value)


def _range(match: re.Match[str]) -> str:
    first, last = (fold(match[name]) for name in ("first", "last"))
    if (
        "-" in fold(match["dash"])
        and not match["sign"]
        and float(first.replace(",", "")) >= float(last.replace(",", ""))
    ):
        return f"{number(first)}比{number(last)}"
    return f"{_sign(match)}{amount(first, following(match))}到{amount(last, following(match))}"


def _cardinal(match: re.Match[str]) -> str:
    """A number; digit by digit if it is a year, an identifier or a number after an English word."""
    written, sign, after_it = fold(match["first"]), fold(match["sign"]), following(match)
    before = match.string[max(0, match.start("first") - 2) : match.start("first")]
    joined = (
        sign == "-"
        and is_cjk(before[:1])
        and not (_BEFORE_MINUS.match(before) or after_it.startswith(("度", "分", "°")))
    )
    if joined:  # 歼-20, 北京-2024
        return ("，" if len(written) > 2 else "") + model_number(written)
    read = amount(written, after_it)
    if written.isdigit() and not _COUNTED.match(after_it) and amount("2", after_it) == "二":
        if (len(written) == 4 and "1900" < written < "2100" and written[2:] != "00") or len(written) > 8:
            read = digits(written)
        elif len(written) > 2 and re.fullmatch(r"[A-Za-z][ \xa0]", before):
            read = model_number(written)
    return {"-": "负", "+": "加", "±": "正负"}.get(sign, "") + read


_BEFORE_MINUS = re.compile("[温溫为為是到至达達在了于於约約得负負值]")
_COUNTED = re.compile(r"\s?[多余餘来來几幾%％倍+＋]")


def _ratio(match: re.Match[str]) -> str:
    return "比".join(number(part) for part in re.split(r"\s?[-–—−－:：∶]\s?", match[0]))


def _mixed_fraction(match: re.Match[str]) -> str:
    if int(match[2]) > int(match[3]) > 10:  # blood pressure
        return f"{number(match[2])}，{number(match[3])}"
    whole = f"{cardinal(int(match[1]))}又" if match[1] else ""
    return whole + fraction(int(match[2]), int(match[3]))


def _roman(match: re.Match[str]) -> str | None:
    value = roman(match[1])
    return cardinal(value) if value else None


_WON = (
    "战胜|戰勝|击败|擊敗|大胜|大勝|获胜|獲勝|险胜|險勝|胜|勝|赢|贏|领先|領先|落后|"
    "落後|负于|不敌|不敵|取胜|取勝|逆转|逆轉|力克|淘汰|战平|戰平|的比分|横扫|橫掃|完胜|完勝"
)
_SCORE = after("比分 总分 總分 大比分 比分是 比分为 比數", "[:： 是为為]")
_COLON = r"\s?[-–:：∶]\s?"

SCORE_RULES = (
    rule("math", r"(?<=以)\d{1,3}[:：]\d{1,3}(?![\d.:：])", _ratio),
    rule("math", rf"{_SCORE}(?<![\d.])\d{{1,3}}{_COLON}\d{{1,3}}(?![\d.:：-])", _ratio),
    rule("math", rf"(?<![\d.:：-])\d{{1,3}}{_COLON}\d{{1,3}}(?=\s?(?:{_WON}))", _ratio),
)
AMOUNT_RULES = (
    rule(
        "percent", rf"{_FIRST}(?:\s?(?P<repeated>[%％‰])?{TO}(?P<last>[-−]?{NUMBER}))?\s?(?P<percent>[%％‰])", _percent
    ),
    rule(
        "currency",
        rf"(?<![{LATIN}])(?P<sign>[-−+＋]?)(?P<currency>{_CURRENCY})\s?(?P<inner>[-−]?)(?P<first>{NUMBER})(?:{TO}(?:{_CURRENCY})?(?P<last>{NUMBER}))?{_SCALE}"
        rf"(?:\s?(?:元|美元|块|塊|圓))?{_PER}",
        _money,
    ),
    rule(
        "currency",
        rf"{_FIRST}(?:\s?(?:{_CURRENCY})?{TO}(?P<last>{NUMBER}))?{_SCALE}\s?(?P<inner>)(?P<currency>{_CURRENCY})(?![{LATIN}\d]){_PER}",
        _money,
    ),
    rule(
        "currency",
        rf"{_FIRST}(?:{TO}(?P<last>{NUMBER}))?(?P<scale>[十百千万萬亿億]{{0,3}})(?P<name>元|块|塊|圓|美元|美金|欧元|歐元|英镑|日元|港元|港币|港幣)[/／](?P<per>{any_of(PER)})(?![{LATIN}])",
        _counted,
    ),
    rule(
        "unit",
        rf"{_FIRST}(?:{TO}(?P<last>{NUMBER}))?(?P<scale>[十百千万萬亿億]{{0,3}})(?P<name>次|人|人次|个|個|件|台|步|字|帧|转|度|包|片|毫克)[/／](?P<per>{any_of(PER)})(?![{LATIN}])",
        _counted,
    ),
    rule(
        "cardinal",
        rf"{START}(?P<first>{NUMBER})(?:w|W(?=[+＋]))(?![{LATIN}\d])",
        lambda m: amount(m["first"], "万") + "万",
    ),
    rule(
        "unit",
        rf"(?<![{LATIN}]){_FIRST}(?:\s?(?:{any_of(UNITS)})?{TO}(?P<last>[-−]?{NUMBER}))?\s?(?P<unit>{any_of(UNITS)})(?![{LATIN}\d²³])(?!(?<=[AV])(?:级|級|景|股|大作|游|遊)){_PER}",
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
        "unit",
        rf"{START}({NUMBER})\s?(mph|kph)(?![{LATIN}])",
        lambda m: f"每小时{amount(m[1], '里')}{'英里' if m[2] == 'mph' else '公里'}",
    ),
    rule(
        "unit",
        rf"{START}({NUMBER})[\"″](?=屏|显示|顯示|电视|電視|平板|手机|手機|笔记本|筆電|披萨)",
        lambda m: f"{number(m[1])}英寸",
    ),
    rule("unit", rf"{START}(\d{{1,6}})\s?r/min", lambda m: f"每分钟{number(m[1])}转"),
)
"""Numbers with a percent sign, a currency or a unit."""

NUMBER_RULES = (
    rule("roman", r"(?<=第)([IVX]{1,5})(?![A-Za-z])", _roman, "IVX"),
    rule("roman", r"(?<![A-Za-z])([IVX]{1,5})(?=世)", _roman, "IVX"),
    rule("roman", r"(?<=[\u4e00-\u9fff])([IVX]{2,5})(?![A-Za-z\d])", _roman, "IVX"),
    rule("math", r"\^\s?\(?([-−]?\d{1,6})\)?", lambda m: f"的{number(m[1])}次方"),
    rule(
        "math",
        rf"(?<=[\d)）²³{LATIN}])\s?[-−–－]\s?(?=[\d(（√{LATIN}][^，。！？；\n]{{0,30}}[=＝≈])",
        lambda _: "减",
        "=＝≈",
    ),
    rule("math", r"(?<==)\s?[-−－](?=\d)", lambda _: "负"),
    rule("math", rf"(?<=[\d)）])\s?[*＊]\s?(?=[\d(（{LATIN}])|(?<=\b[a-z])\*(?=[a-z\d])", lambda _: "乘", "*＊"),
    rule("math", r"(?<=[\d)）])\s?[/／]\s?(?=\d{1,12}(?:\.\d{1,6})?\s?[=＝≈])", lambda _: "除以"),
    rule("math", r"(?<=\d)\s?[xX]\s?(?=\d)", lambda _: "乘"),
    rule(
        "ordinal",
        rf"(?<=第)\s?(\d{{1,9}})(?:{TO}(\d{{1,9}}))?(?!\d)",
        lambda m: "到".join(number(part) for part in m.groups() if part),
    ),
    rule("ordinal", r"(?<![^\n])(\d{1,2})(?:[.．)）]\s?(?=\D)|\s?[)）])", lambda m: f"{number(m[1])}，"),
    rule("ordinal", r"[#＃](\d{1,6})(?![\w.])", lambda m: f"{number(m[1])}号"),
    rule("ordinal", r"(?<![\d.])(\d{1,4})[#＃](?=[楼樓栋棟车車机機\s])", lambda m: f"{number(m[1])}号"),
    rule("fraction", r"(?<![\d/.])(?:(\d{1,4}) )?(\d{1,4})\s?[/⁄]\s?(\d{1,4})(?![\d/.])", _mixed_fraction),
    rule("math", r"(?<![\d:：.])\d{1,6}(?:\.\d{1,3})?(?:\s?[:：∶]\s?\d{1,6}(?:\.\d{1,3})?){1,3}(?![\d:：])", _ratio),
    rule("range", rf"{_FIRST}(?P<dash>{TO})(?P<last>{NUMBER})(?!\s?[-–]\s?\d)", _range),
    rule("cardinal", rf"(?<![\d.{LATIN}])[.．](\d{{1,9}})(?![\d.])", lambda m: f"零点{digits(m[1])}"),
    rule("range", r"(?:(?<=\d[\u4e00-\u9fff])|(?<=\d[\u4e00-\u9fff]{2}))\s?[-–—~～]{1,2}\s?(?=\d)", lambda _: "到"),
    rule("range", r"(?<=[)）」”])\s?[~～—]\s?(?=\d)", lambda _: "到"),
    rule("range", r"(?<![\w)）])[~～](?=\d)", lambda _: "约"),
    rule("cardinal", r"(?<=\d[米块塊])(\d{1,2})(?![\d.]|[\u4e00-\u9fff]?[米分厘角毛])", lambda m: digits(m[1])),
    rule("cardinal", _FIRST, _cardinal),
    rule("cardinal", r"(?<=[\u3400-\u9fff]) (?=[\d¥￥$€£])|(?<=[\d%％℃]) (?=[\u3400-\u9fff])", lambda _: "", " "),
)
"""Other numbers."""
