"""Japanese text normalization beyond the golden table."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest

from backends.text import Alphabet
from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits
from gateway.text.normalize.japanese.numbers import cardinal, number

SPOKEN = Alphabet(scripts=("LATIN", "CJK", "HIRAGANA", "KATAKANA"))
PARTS = (
    *"0123456789２①½Ⅳ²%％‰$¥￥€£₩&@#*/\\+-−=<>≥≈×÷±√^~～〜|°℃㎡№§©®™★→:：.,，。、（）()[]'\"`_㈱○〇♪〒 ",
    *("年", "月", "日", "時", "分", "万", "個", "第", "号", "円", "電話", "スコア", "から", "です", "の", "町"),
    *(
        "2024",
        "090",
        "10",
        "GPT-4",
        "km/h",
        "kg",
        "v2.0",
        "http://a.jp/b",
        "a@b.com",
        "2024-05-17",
        "14:30",
        "😀",
        "C#",
    ),
)


def spoken(text: str) -> str:
    return MappedText.of(text).apply(normalization_edits(text, "ja", frozenset(CATEGORIES))).text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "ゼロ"),
        (10, "十"),
        (105, "百五"),
        (1000, "千"),
        (2024, "二千二十四"),
        (10_000, "一万"),
        (10_000_000, "一千万"),
        (123_456_789, "一億二千三百四十五万六千七百八十九"),
        (10**15, "一千兆"),
    ],
)
def test_cardinal_is_in_kanji(value: int, words: str) -> None:
    assert cardinal(value) == words


def test_number_keeps_sign_decimals_and_leading_zeros() -> None:
    assert number("-1,234.50") == "マイナス千二百三十四点五ゼロ"
    assert number("0.5") == "零点五"
    assert number("007") == "ゼロゼロ七"


@pytest.mark.parametrize("seed", range(40))
def test_any_text_is_read_without_digits_and_signs(seed: int) -> None:
    draw = random.Random(seed)
    text = "これは" + "".join(draw.choice(PARTS) for _ in range(60))
    read = spoken(text)
    left = [char for char in read if not SPOKEN.has(char)]
    assert not left, (text, read, [unicodedata.name(char) for char in left])


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
        "〜",
        "#",
        "@",
        "¥1",
        "第",
        "1年",
        "二",
        "１",
        "〇",
        "+1 ",
        "2時",
        "1円/月",
        "5km/h ",
        "→",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = "は" + unit * (20_000 // len(unit))
    started = time.process_time()
    spoken(text)
    assert time.process_time() - started < 10


def test_edits_are_inside_the_text_in_order_and_do_not_overlap() -> None:
    text = "２０２４年5月17日、GPT-4は¥3,500.75、スコア3:2、電話090-1234-5678、😀25℃です。"
    position = 0
    for edit in normalization_edits(text, "ja", frozenset(CATEGORIES)):
        assert position <= edit.start < edit.end <= len(text)
        position = edit.end


def test_category_that_is_off_leaves_its_text_alone() -> None:
    text = "価格は¥5で、3%増えた。"
    edits = normalization_edits(text, "ja", {"percent"})
    assert [(text[edit.start : edit.end], edit.spoken) for edit in edits] == [("3%", "三パーセント")]
