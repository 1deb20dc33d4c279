"""Chinese text normalization beyond the golden table."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest

from backends.text import Alphabet
from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits
from gateway.text.normalize.chinese.numbers import amount, cardinal, number

SPOKEN = Alphabet(scripts=("LATIN", "CJK"))
PARTS = (
    *"0123456789２①½Ⅳ²%％‰$¥￥€£₩&@#*/\\+-−=<>≥≈×÷±√^~～|°℃㎡№§©®™★→:：.,，。、（）()[]'\"`_㈱○〇\n ",
    *(
        "年",
        "月",
        "日",
        "点",
        "分",
        "万",
        "个",
        "第",
        "号",
        "元",
        "房间",
        "电话",
        "比分",
        "到",
        "周一",
        "两",
        "價",
        "時間",
    ),
    *(
        "2024",
        "138",
        "10",
        "GPT-4",
        "km/h",
        "kg",
        "v2.0",
        "http://a.cn/b",
        "a@b.com",
        "2024-05-17",
        "14:30",
        "😀",
        "C#",
    ),
)


def spoken(text: str, language: str = "zh") -> str:
    return MappedText.of(text).apply(normalization_edits(text, language, frozenset(CATEGORIES))).text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "零"),
        (2, "二"),
        (10, "十"),
        (12, "十二"),
        (102, "一百零二"),
        (110, "一百一十"),
        (200, "两百"),
        (220, "二百二十"),
        (1005, "一千零五"),
        (2000, "两千"),
        (10_010, "一万零一十"),
        (20_005, "两万零五"),
        (102_000, "十万二千"),
        (100_000_005, "一亿零五"),
        (10**12, "一万亿"),
    ],
)
def test_cardinal_has_zeros_and_liang_where_people_say_them(value: int, words: str) -> None:
    assert cardinal(value) == words


def test_number_keeps_sign_decimals_and_leading_zeros() -> None:
    assert number("-1,234.50") == "负一千二百三十四点五零"
    assert number("007") == "零零七"
    assert number("１２") == "十二"


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ("个", "两"),
        ("个月", "两"),
        ("次", "两"),
        ("公里", "两"),
        ("月", "二"),
        ("两", "二"),
        ("等奖", "二"),
        ("年级", "二"),
        ("", "二"),
    ],
)
def test_two_is_liang_before_measure_words_only(following: str, words: str) -> None:
    assert amount("2", following) == words


def test_spoken_form_follows_the_script_of_the_text() -> None:
    assert spoken("会议有2个，时间是2:05。") == "会议有两个，时间是两点零五分。"
    assert spoken("會議有2個，時間是2:05。") == "會議有兩個，時間是兩點零五分。"


@pytest.mark.parametrize("seed", range(40))
def test_any_text_is_read_without_digits_and_signs(seed: int) -> None:
    draw = random.Random(seed)
    text = "中文" + "".join(draw.choice(PARTS) for _ in range(60))
    for line in text.split("\n"):
        read = spoken("价格" + line)
        left = [char for char in read if not SPOKEN.has(char)]
        assert not left, (line, read, [unicodedata.name(char) for char in left])


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1,",
        "1-",
        "1:",
        "1/",
        "1.",
        "-",
        "a1",
        "1 ",
        "*",
        "~",
        "#",
        "@",
        "¥1",
        "第",
        "1年",
        "二",
        "１",
        "+1 ",
        "2点",
        "A.",
        "年1",
        "1元/月",
        "1，",
        "5km/h ",
        "→",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = "中" + unit * (20_000 // len(unit))
    started = time.process_time()
    spoken(text)
    assert time.process_time() - started < 2


def test_edits_are_inside_the_text_in_order_and_do_not_overlap() -> None:
    text = "２０２４年5月17日，GPT-4售价¥3,500.75，比分3:2，电话13812345678，😀25℃。"
    position = 0
    for edit in normalization_edits(text, "zh", frozenset(CATEGORIES)):
        assert position <= edit.start < edit.end <= len(text)
        position = edit.end


def test_category_that_is_off_leaves_its_text_alone() -> None:
    text = "价格是¥5，涨了3%。"
    edits = normalization_edits(text, "zh", {"percent"})
    assert [(text[edit.start : edit.end], edit.spoken) for edit in edits] == [("3%", "百分之三")]
