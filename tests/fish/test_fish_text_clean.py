"""Text cleaning, language detection, and the phone inventory."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import pytest

from backends.errors import InvalidJob
from backends.fish.v0_2.text.clean import clean_text
from backends.fish.v0_2.text.languages import Context, LanguageSpan, parse_order, resume, split_languages
from backends.fish.v0_2.text.symbols import ALL_PHONES, INVENTORY, MARKS, PHONES, PUNCTUATION, token

ORDER = ("zh", "jp", "en")


def detect(text: str, *order: str) -> list[tuple[str | None, str]]:
    return [(part.language, part.text) for part in split_languages(text, order or ORDER)]


def test_inventory_is_that_of_the_model() -> None:
    assert {language: len(phones) for language, phones in PHONES.items()} == {"zh": 221, "jp": 38, "en": 71}
    assert len(INVENTORY) == len(set(INVENTORY)) == 340
    assert len(ALL_PHONES) == len(set(ALL_PHONES)) == 311
    assert len(PHONES["zh"] & PHONES["jp"]) == 18
    assert PHONES["jp"] & PHONES["en"] == {"N"}
    assert len(PUNCTUATION) == 7
    assert {"AA", "EE", "OO", "zh", "En3", "i05", "ir1", "van4"} <= PHONES["zh"]
    assert {"cl", "I", "U", "ts", "ky", "N"} <= PHONES["jp"]
    assert {"AH0", "OY2", "ZH", "HH", "ER", "IH"} <= PHONES["en"]
    assert [token(symbol) for symbol in ("i3", *MARKS, "_")] == ["<p:i3>", *MARKS, "_"]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  你好，世界。 ", "你好,世界."),
        ("（a）[b]【c】《d》「e」“f”‘g’", "'a''b''c''d''e''f''g'"),
        ("a：b；c、d·e:f;g", "a,b,c,d,e,f,g"),
        ("五$\n十", "五..十"),
        ("啊—~～・", "啊----"),
        ("wait… what... why....", "wait what why."),
        ("café, 한국어 привет ＡＢＣ１ 人々 🎉", "caf,    人 "),
        ("カタカナ ㇰ ひらがな ー", "カタカナ ㇰ ひらがな ー"),
        ("<p:i3> p:i3 <p:a:b>", "<p:i3> p,i3 <p:a,b>"),
        ("<p:open", "<p,open"),
        ("<p:a\n>", "<p,a.>"),
        ("<jp>：</jp>", "<jp>,</jp>"),
        ("\n\n", ""),
        ("", ""),
    ],
)
def test_text_is_cleaned(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_characters_select_the_language_and_prefer_the_current_one() -> None:
    assert detect("测试 Hugging face, BGM很大？ 世界、こんにちは。") == [
        ("zh", "测试 "),
        ("en", "Hugging face, BGM"),
        ("zh", "很大? 世界,"),
        ("jp", "こんにちは."),
    ]
    assert detect("世界、こんにちは。東京", "jp", "zh", "en") == [("jp", "世界,こんにちは.東京")]
    assert detect("12 apples", "en", "zh") == [("en", "12 apples")]
    assert detect("12 apples") == [("zh", "12 "), ("en", "apples")]
    assert detect("它 5 岁 is 5 years") == [("zh", "它 5 岁 "), ("en", "is 5 years")]
    assert detect("あ字 and 字") == [("jp", "あ字 "), ("en", "and "), ("zh", "字")]
    assert detect("") == detect("é…") == []


def test_tags_select_the_language() -> None:
    assert detect("<jp>世界</jp>世界") == [("jp", "世界"), ("zh", "世界")]
    assert detect("<JP>世界</JP>") == [("jp", "世界")]
    assert detect("<zh>你<en>2</en>好") == [("zh", "你"), ("en", "2"), ("zh", "好")]
    assert detect("<en> </en>") == []
    assert detect("1 < 2 > 3", "en") == [("en", "1 < 2 > 3")]
    assert detect("a<p:i3>1 b<p:,>", "zh", "en") == [("en", "a"), (None, "i3"), ("en", "1 b"), (None, ",")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<b>bold</b>", "<b>"),
        ("<jp>字</zh>", "</zh>"),
        ("<jp>字</JP>", "</JP>"),
        ("字</jp>", "</jp>"),
        ("<fr>mot</fr>", "<fr>"),
    ],
)
def test_invalid_tag_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidJob, match=named) as caught:
        split_languages(text, ORDER)
    assert caught.value.param == "text"


def test_order_is_validated() -> None:
    assert parse_order("zh,jp,en") == ORDER
    assert parse_order(" EN , zh") == ("en", "zh")
    for order in ("", "zh,", "zh;jp", "fr", "_"):
        with pytest.raises(InvalidJob) as caught:
            parse_order(order)
        assert caught.value.param == "options.order"
    with pytest.raises(InvalidJob, match="'a'") as caught:
        split_languages("你a", ("zh", "jp"))
    assert caught.value.param == "text"


def merged(parts: list[LanguageSpan]) -> list[tuple[str | None, str]]:
    whole: list[tuple[str | None, str]] = []
    for part in parts:
        if whole and part.language is not None and whole[-1][0] == part.language:
            whole[-1] = (part.language, whole[-1][1] + part.text)
        else:
            whole.append((part.language, part.text))
    return [(language, text.replace(" ", "")) for language, text in whole if text.strip()]


@pytest.mark.parametrize("order", [ORDER, ("jp", "zh", "en"), ("en", "jp", "zh")])
def test_chunks_have_the_languages_of_the_whole_text(order: tuple[str, ...]) -> None:
    draw = random.Random(7)
    words = [
        "你好",
        "東京",
        "です",
        "hello ",
        "12",
        ", ",
        "。",
        "é",
        "<jp>",
        "</jp>",
        "<en>",
        "</en>",
        "<p:i3>",
        "カ",
        " ",
    ]
    valid = 0
    for _ in range(3000):
        parts = draw.choices(words, k=draw.randrange(2, 14))
        try:
            whole = split_languages("".join(parts), order)
        except InvalidJob:
            continue
        valid += 1
        context = Context()
        spans: list[LanguageSpan] = []
        at = draw.randrange(len(parts) + 1)
        for part in ("".join(parts[:at]), "".join(parts[at:])):
            chunk, context = resume(part, context, order)
            spans += split_languages(chunk, order)
        assert merged(spans) == merged(whole), parts
    assert valid > 500


def test_number_at_the_start_of_a_chunk_keeps_its_language() -> None:
    _, context = resume("I have two. ", Context(), ORDER)
    assert resume("300 more.", context, ORDER)[0] == "<en>300 more.</en>"
    assert resume("More.", context, ORDER)[0] == "More."
    _, context = resume("行きます。", Context(), ORDER)
    assert resume("東京は big.", context, ORDER)[0] == "<jp>東京は </jp>big."


@pytest.mark.parametrize(
    "unit", ["<", "<p:", "</", "<jp>", "<p:i3>", ">", "\n", "...", "é", "你a", "<<>>", "<p:\n", " "]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * 50_000)[:50_000]
    started_s = time.perf_counter()
    clean_text(text)
    with suppress(InvalidJob):
        split_languages(text, ORDER)
    resume(text, Context(language="jp"), ORDER)
    assert time.perf_counter() - started_s < 5
