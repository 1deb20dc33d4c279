"""Chinese readings of phone numbers and other numbers that are read digit by digit, and of model names."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.text.normalize.chinese.numbers import digits, is_counted, number
from gateway.text.normalize.chinese.rules import rule
from gateway.text.normalize.cjk import LATIN, after, fold, following

_CALL = after(
    "热线 熱線 拨打 撥打 致电 致電 专线 專線 分机 分機 客服电话 客服電話 电话： 電話： 电话: 電話: 电话是 電話是",
    "[:： 是]",
)
_CALL_LONG = after("电话 電話 手机 手機 手机号 手機號 传真 傳真 座机 客服 打 拨 撥 联系方式 聯繫方式", "[:： 是]")
_SHORT = r"1[12]\d|12\d{3}|10\d{3}|95\d{3}"
_HOTLINE = "报警|報警|急救|热线|熱線|客服|电话|電話|平台|官网|购票|購票|投诉"
_ROOM = after("房间 房間 房号 房號 门牌 门牌号 包间 包厢 教室 会议室 會議室 病房 宿舍 寝室 登机口 登機口")
_POST = after("邮编 郵編 邮政编码 郵遞區號 验证码 驗證碼 密码 密碼 尾号 尾號 提取码 取件码", "[:： 是为為]")
_NUMBERED = after(
    "订单 訂單 订单号 訂單號 单号 單號 快递单号 编号 編號 代码 代碼 学号 學號 工号 工號 账号 帳號 卡号 "
    "卡號 型号 型號 证号 證號 批号 序列号 身份证 身份证号 "
    "身份证号码 号码 號碼 QQ QQ群 QQ号 群号 ID id 微信号 波音 国道 备 错误码 端口 端口号",
    "[:： 是为為]",
)
_PLATE = "京津沪滬渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤粵青藏川宁琼"
_AIRLINES = "CA|MU|CZ|HU|3U|FM|ZH|MF|SC|HO|9C|JD|KN|EU|GS|TV|GJ|UA|AA|DL|NH|JL|CX|BA|AF|LH|EK|SQ|KE|OZ|CI|BR"


def called(written: str) -> str:
    """A number as people say it on the telephone, with a pause at each separator."""
    groups = [digits(group, one="幺") for group in re.split(r"[^\d]+", fold(written))]
    return "，".join(filter(None, groups))


def _phone(match: re.Match[str]) -> str:
    return ("加" if fold(match[0]).startswith("+") else "") + called(match[0])


def _groups(written: str) -> str:
    """Digits one by one, with a pause at each separator."""
    return "，".join(map(digits, written.split("-")))


def _identifier(read: Callable[[str], str]) -> Callable[[re.Match[str]], str | None]:
    """A reader of an identifier, which is not a number of things: 代码1000行."""
    return lambda match: None if is_counted(following(match)) else read(match[0])


def _letters_and_digits(match: re.Match[str]) -> str:
    """A number plate, a flight or a train: letters as they are, digits one by one."""
    return re.sub(r"\d+", lambda run: digits(run[0], one="幺"), re.sub(r"[·•\s]", "", fold(match[0])))


def model_number(written: str) -> str:
    """A number in a name: up to two digits, round hundreds and decimals as a number, others digit by digit."""
    parts = fold(written).split(".")
    whole = parts[0]
    read = number(whole) if len(whole) < 3 or (whole.endswith("00") and len(whole) < 5) else digits(whole)
    return "点".join([read, *map(digits, parts[1:])])


def _in_name(match: re.Match[str]) -> str:
    dash = " " if match["before"] else ""
    return dash + model_number(match["number"]) + (" " if match["after"] else "")


_DASH = "[-‐‑－_]"
CODE_RULES = (
    rule("phone", r"(?<![\d+])(?:(?:\+|00)\s?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)", _phone),
    rule(
        "phone",
        r"(?<![\d+-])(?:(?:\+|00)\s?86[- ]?)?[(（]?0\d{1,3}[)）]?[- ]?\d{3,4}[- ]?\d{4}(?![\d-])(?:-\d{1,5})?",
        _phone,
    ),
    rule("phone", r"(?<![\d+-])0\d{3}-\d{3}-\d{3}(?![\d-])", _phone),
    rule("phone", r"(?<![\d+-])[48]00[- ]?\d{3,4}[- ]?\d{3,4}(?![\d-])", _phone),
    rule("phone", r"(?<![\d-])1-8(?:00|88|77|66)(?:-\d{3}-[\dA-Z]{4})?(?![\d-])", _phone),
    rule("phone", r"[+＋]\d{1,3}(?:[- ]\d{1,4}){2,5}(?![\d-])", _phone),
    rule(
        "phone",
        rf"(?:{_CALL}(?<!\d)\d{{3,12}}|{_CALL_LONG}(?<!\d)\d{{7,12}})(?!\d|\.\d|[%％])",
        _identifier(called),
    ),
    rule("phone", rf"(?<!\d)(?:{_SHORT})(?={_HOTLINE})|(?<=[打拨撥])(?:{_SHORT})(?!\d|\.\d)", _identifier(called)),
    rule("phone", r"(?<=\d[转轉])\d{1,6}(?!\d)", lambda m: called(m[0])),
    rule("code", rf"[{_PLATE}][A-Z][·•\s]?[A-Z\d]{{5,6}}(?![A-Za-z\d])", _letters_and_digits),
    rule("code", rf"(?<![{LATIN}\d])(?:{_AIRLINES})\s?\d{{3,4}}(?![{LATIN}\d])", _letters_and_digits),
    rule("code", r"(?<![A-Za-z\d])[A-Z\d]{2}\d{3,4}(?=\s?(?:次)?航班)", _letters_and_digits),
    rule(
        "code",
        r"(?<![A-Za-z\d])[GDCZTKSYL]\d{1,4}(?=次|列车|列車)",
        lambda m: m[0][0] + (called(m[0]) if len(m[0]) > 3 else number(m[0][1:])),
    ),
    rule("code", rf"{_ROOM}(?<!\d)[A-Z]?\d{{3,4}}(?!\d|\.\d)", _letters_and_digits),
    rule(
        "code",
        r"(?<![\d.])\d{3,4}(?=室|房(?![价價])|号房|號房|号室|號室|包间|包厢|教室|病房|会议室|會議室|宿舍|寝室)",
        lambda m: called(m[0]),
    ),
    rule("code", rf"{_POST}(?<!\d)\d{{3,30}}(?!\d|\.\d)", _identifier(called)),
    rule(
        "code",
        rf"{_NUMBERED}(?<!\d)\d{{3,30}}(?:-\d{{1,12}}){{0,5}}(?!\d|\.\d|[万萬亿億元])",
        _identifier(_groups),
    ),
    rule("code", r"(?<![\d.-])\d{1,5}(?:-\d{1,5}){2,5}(?![-\d])", lambda m: _groups(m[0])),
)
"""Numbers that are read digit by digit."""

NAME_RULES = (
    rule("code", r"(?<=[图圖表题題式])\d{1,3}-\d{1,3}(?![\d-])", lambda m: "杠".join(map(number, m[0].split("-")))),
    rule(
        "abbreviation",
        r"(?<![A-Za-z])[Pp]{1,2}\.\s?(\d{1,5})(?:[-–~～](\d{1,5}))?(?!\d)",
        lambda m: f"第{'到'.join(number(page) for page in m.groups() if page)}页",
    ),
    rule("code", r"(?<![\d.])(?:985|211|996|1314|2?3{3,9}|666)(?![\d.%％])", _identifier(digits)),
    rule("code", "7-11(?=便利|超商|店)", lambda _: "七十一"),
    rule(
        "abbreviation",
        r"(?<![A-Za-z])(?:N[oO]\.?|№)\s?(\d{1,12})(?!\d)",
        lambda m: f"第{number(m[1])}" if len(m[1]) < 3 else f"编号{digits(m[1])}",
    ),
    rule("abbreviation", r"(?<![A-Za-z])[Vv]ol\.\s?(\d{1,4})(?!\d)", lambda m: f"第{number(m[1])}卷"),
    rule("abbreviation", r"(?<![A-Za-z])[Vv][Ss](?:\.|(?![A-Za-z]))", lambda _: "对", "sS"),
    rule("ordinal", r"(?<![\d.])(\d{1,3})(?:st|nd|rd|th)(?![A-Za-z])", lambda m: f"第{number(m[1])}"),
    rule("code", r"(?<![A-Z][A-Z])(?<=[BCDFGMOP])2(?=[BCEFGMOP](?![A-Za-z]))", lambda _: " to "),
    rule(
        "code",
        rf"(?<=[{LATIN}])(?P<before>{_DASH})?(?P<number>\d{{1,12}}(?:\.\d{{1,6}}){{0,4}})(?!\d)(?P<after>{_DASH}(?=[{LATIN}\d]))?",
        _in_name,
    ),
    rule("code", rf"(?<![\d.])(?P<before>)(?P<number>\d{{1,12}})(?P<after>{_DASH})?(?=[{LATIN}])", _in_name),
    rule("code", r"(?<![A-Za-z])C\+\+", lambda _: "C加加", "+"),
    rule("code", r"(?<![A-Za-z])([CFJ])[#＃](?!\w)", lambda m: f"{m[1]} sharp", "#＃"),
)
"""Numbers in names, and abbreviations before numbers."""
