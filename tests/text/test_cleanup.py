"""Unicode clean-up before texts are read."""

from __future__ import annotations

import time
import timeit
from itertools import pairwise

import pytest

from gateway.text.cleanup import cleanup_edits
from gateway.text.mapped_text import MappedText


def clean(text: str) -> str:
    return MappedText.of(text).apply(cleanup_edits(text)).text


def changes(text: str) -> list[tuple[str, str]]:
    """The written and the spoken text of each edit."""
    return [(text[edit.start : edit.end], edit.spoken) for edit in cleanup_edits(text)]


UNCHANGED = [
    "Hello, world. It's $5.99 (5%) -- or 3 x 4 = 12?",
    "“Hi,” she said — ‘no’ … yes – maybe",
    "Café déjà vu, Straße, Đặng Thị Ngọc, İstanbul",
    "你好，世界！“价格”是5元。（好）《书》……——",
    "こんにちは、ラーメン～。「はい」",
    "한국어 문장입니다. ㅋㅋㅋ",
    "Привет, ёлка и Ґанок. Γειά σου",
    "क्षेत्र में, مرحبا؟ שָׁלוֹם ที่นี่ น้ำ",
    "می\u200cخواهم क्\u200dष",
    "👨\u200d👩\u200d👧 ❤️ 1️⃣ 👍🏽 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "x² + y³, ½ cup, H₂O, 10⁻³, xⁿ, ① Ⅳ №5 ™ 1.ª n.º",
    "Wait... what?! No!!! sooooooo good",
    "see https://example.com/a--b?c=%20&d and file:///home C++ a -> b --> c i++ x == y",
    "1\u00a0234\u202f567 and 5 kΩ, 3 μm, Δx, ρgh",
    "__init__, **bold**, ~~struck~~, ## x, 'a' \"b\" ((c))",
    "ℹ️ ™️ ↔️ ☀︎",
    "a\tb\nc\r\nd",
]


class TestUnchanged:
    @pytest.mark.parametrize("text", UNCHANGED)
    def test_clean_text_has_no_edits(self, text: str) -> None:
        assert cleanup_edits(text) == []


class TestComposition:
    def test_letter_and_mark_are_one_edit(self) -> None:
        assert changes("Cafe\u0301 nai\u0308ve") == [("e\u0301", "é"), ("i\u0308", "ï")]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Vie\u0323\u0302t", "Việt"),
            ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
            ("か\u3099", "が"),
            ("5 \u212b, \u212a, \uf914", "5 Å, K, 樂"),
            ("\u0301a", "\u0301a"),
        ],
    )
    def test_text_is_composed(self, text: str, expected: str) -> None:
        assert clean(text) == expected

    @pytest.mark.parametrize(("text", "expected"), [("h̷e̶l̸l̵o̷", "hello"), ("Z̴̢̛̮̟a̶̛͓̤̮l̵g̷̡̛̙o̸", "Zalgo"), ("u\u0332n\u0332", "un")])
    def test_marks_that_style_letters_are_dropped(self, text: str, expected: str) -> None:
        assert clean(text) == expected

    def test_slash_through_a_sign_is_kept(self) -> None:
        assert clean("a =\u0338 b") == "a ≠ b"


class TestInvisibleCharacters:
    @pytest.mark.parametrize("char", ["\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u202a", "\u034f"])
    def test_format_characters_in_words_are_dropped(self, char: str) -> None:
        assert changes(f"won{char}der") == [(char, "")]

    @pytest.mark.parametrize("char", ["\ufeff", "\u200e", "\u2066", "\ufe0f", "\U000e0041", "\U000e0100", "\ue000"])
    def test_characters_without_a_form_are_dropped_anywhere(self, char: str) -> None:
        assert clean(f"{char}a {char} b{char}") == "a  b"

    def test_lone_surrogates_are_dropped(self) -> None:
        assert clean("Hi \ud83d there\udc00") == "Hi  there"

    def test_joiner_after_a_latin_letter_is_dropped_beside_emoji(self) -> None:
        assert clean("a\u200d👍") == "a👍"


class TestControlsAndSpaces:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Ⓜ\ufe0f", "M"),
            ("a\x00b\x07c\x7fd", "a b c d"),
            ("a\x0bb\x0cc\u2028d\u2029e", "a\nb\nc\nd\ne"),
            ("It\x92s \x93so\x94 \x96 \x81", "It’s “so” –  "),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("a\u00a0b\u2009c\u3000d\u202fe\u2800f", "a b c d e f"),
            ("5\u00a0€, 1\u00a0234, １\u3000２", "5 €, 1\u00a0234, 1 2"),
            ("state\u2011of\u2010the\u2011art", "state-of-the-art"),
        ],
    )
    def test_text_has_plain_spaces(self, text: str, expected: str) -> None:
        assert clean(text) == expected


class TestForms:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("ＡＢＣ１２３％", "ABC123%"),
            ("￥１，２３４．５０ ＄５ １２：３０", "¥1,234.50 $5 12:30"),
            ("１，２，３。３：２", "1，2，3。3:2"),
            ("你好，世界！（ＯＫ）", "你好，世界！（OK）"),
            ("ｶﾞｷﾞｸﾞ ﾊﾟﾝ｡", "ガギグ パン。"),
            ("𝐇𝐞𝐥𝐥𝐨 𝓌𝑜𝓇𝓁𝒹 𝟏𝟐 ℂ", "Hello world 12 C"),
            ("ⓗⓔⓛⓛⓞ Ⓐ 🅗🅘 🅷🅸 🄷🄸 ⒜", "hello A HI HI HI (a)"),
            ("ʜᴇʟʟᴏ ᴡᴏʀʟᴅ ꜱ ꜰ", "hello world s f"),
            ("ᴴᵉˡˡᵒ 1ˢᵗ Mʳ 2ᵉ xₐₑ", "Hello 1st Mr 2e xae"),
            ("ﬁnd ﬂow ﬃ ĳ ſ", "find flow ffi ij s"),
            ("5㎏ 20℃ 3㎡ ㏂", "5kg 20°C 3m² a.m."),
            ("⼀⼆ ﺍﻟ ﻻ", "一二 ال لا"),
            ("п\u02bcять", "п’ять"),
        ],
    )
    def test_character_has_its_plain_form(self, text: str, expected: str) -> None:
        assert clean(text) == expected

    def test_letters_of_a_word_are_one_edit(self) -> None:
        assert changes("𝐇𝐞𝐥𝐥𝐨 ＡＢ") == [("𝐇𝐞𝐥𝐥𝐨", "Hello"), ("ＡＢ", "AB")]


class TestLookalikes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("p\u0430yp\u0430l", "paypal"),
            ("\u0440\u0430\u0443\u0440\u0430l", "paypal"),
            ("\u041cicrosoft \u0391pple", "Microsoft Apple"),
            ("c\u043a\u0438\u0434\u043a\u0430", "скидка"),
            ("A\u03b8\u03ae\u03bd\u03b1", "Αθήνα"),
        ],
    )
    def test_word_is_in_one_script(self, text: str, expected: str) -> None:
        assert clean(text) == expected

    @pytest.mark.parametrize("text", ["SMSка", "iPhone и я", "kΩ", "αβ-test", "со мной", "ВТО vs. WTO"])
    def test_other_mixtures_stay(self, text: str) -> None:
        assert clean(text) == text

    def test_only_the_foreign_letter_is_an_edit(self) -> None:
        assert changes("p\u0430y") == [("\u0430", "a")]


class TestDecoration:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("=" * 80, ""),
            ("Title\n=====\nText", "Title\n\nText"),
            ("Hello ----- world", "Hello. world"),
            ("Hello. ----- World", "Hello. World"),
            ("Hello -----", "Hello"),
            ("* * *\nNext", "\nNext"),
            ("a ~~~~ b ____ c", "a. b. c"),
            ("===== ***** x", " x"),
            ("What???? ----- x", "What? x"),
            ("=-=-=-= News =-=-=-=", " News"),
            ("+-----+-----+\n| a | b |", "\n| a | b |"),
            ("┌──┐\n│ a │ b │\n└──┘", "\n a. b\n"),
            ("████░░ 50%", " 50%"),
            ("### Title", " Title"),
            ("| a |\n|:--|\n| b |", "| a |\n\n| b |"),
            ("Rated ★★★★☆ by us", "Rated. by us"),
            ("word---word", "word—word"),
            ("***bold*** and f***", "bold and f"),
            ("f***ing", "f ing"),
            ("好的～～～", "好的"),
            ("lol)))", "lol"),
            ('"""quoted"""', "quoted"),
        ],
    )
    def test_rows_of_signs_are_not_read(self, text: str, expected: str) -> None:
        assert clean(text) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("wait....... no", "wait... no"),
            ("Chapter 1 . . . . . 5", "Chapter 1 ... 5"),
            ("No!!!! What????? ?!?!?!", "No! What? ?!"),
            ("什么？？？？？好。。。。", "什么？好……"),
            ("x,,,, y;;; ………", "x, y; …"),
        ],
    )
    def test_repeated_punctuation_is_shortened(self, text: str, expected: str) -> None:
        assert clean(text) == expected


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>We went</i> to the

2
00:00:03,000 --> 00:00:04,000
{\\an8}store. ♪ La ♪
- Where?
- There.

3
00:00:05,000 --> 00:00:06,000
42
"""
WEBVTT = """WEBVTT - Some title
Kind: captions

NOTE written
by hand

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start position:0%
<v Fred>Hi, <00:01.500><c.red>Tom</c> &amp; Ann!

00:02.000 --> 00:03.000
Bye
"""


class TestSubtitles:
    def test_only_the_text_of_a_subrip_file_is_left(self) -> None:
        assert clean(SRT) == "We went to the store.  La \n- Where?\n- There.\n42"

    def test_line_ends_of_windows_and_a_byte_order_mark_are_accepted(self) -> None:
        text = "\ufeff" + SRT.replace("\n", "\r\n")
        assert clean(text).replace("\r\n", "\n") == clean(SRT)

    def test_only_the_text_of_a_webvtt_file_is_left(self) -> None:
        assert clean(WEBVTT) == "Hi, Tom & Ann!\nBye"

    def test_chinese_lines_stay_apart(self) -> None:
        text = "1\n00:00:01,000 --> 00:00:02,500\n今天天气很好\n\n2\n00:00:03,000 --> 00:00:04,000\n我们去公园吧"
        assert clean(text) == "今天天气很好\n我们去公园吧"

    @pytest.mark.parametrize(
        "text",
        [
            "The line 00:00:01,000 --> 00:00:02,500 begins a cue.\n00:00:03,000 --> 00:00:04,000\nx",
            "1\n00:00:01,000 --> 00:00:02,500\nOne cue",
            "a --> b\nb --> c",
        ],
    )
    def test_other_texts_with_arrows_are_not_subtitles(self, text: str) -> None:
        assert clean(text) == text


class TestPlaces:
    @pytest.mark.parametrize("text", [SRT, WEBVTT, "a\u0301ＡＢ ﬁ===== x????? p\u0430y \u200b\u00adz"])
    def test_edits_are_in_order_and_do_not_overlap(self, text: str) -> None:
        edits = cleanup_edits(text)
        assert all(first.end <= second.start for first, second in pairwise(edits))
        assert all(edit.start < edit.end and edit.category == "cleanup" for edit in edits)

    def test_words_keep_their_places(self) -> None:
        text = "ＡＢ cafe\u0301 ----- won\u00adder 𝐇𝐢"
        cleaned = MappedText.of(text).apply(cleanup_edits(text))
        for word, written in {"AB": "ＡＢ", "café": "cafe\u0301", "wonder": "won\u00adder", "Hi": "𝐇𝐢"}.items():
            at = cleaned.text.index(word)
            start, end = cleaned.span(at, at + len(word))
            assert text[start:end] == written


class TestTime:
    def test_clean_ascii_text_takes_microseconds(self) -> None:
        text = "The quick brown fox jumps over the lazy dog; it costs $5.99 (about 5%) today, isn't that nice? Yes."
        assert min(timeit.repeat(lambda: cleanup_edits(text), number=1000, repeat=5)) < 0.02  # 20 µs each

    @pytest.mark.parametrize(
        "part",
        [
            *("= ", "* ", "=-", "│ ", "? ", "!?", ". ", "\n", " ", "--> ", "a=== ", "'\" ", "<i ", "{\\a"),
            *("a\u0301", "\u0301", "Ａ", "a\u200b", "\x00", "ʰ", "aа", "\u00a0", "\u200d", "1\u00a0"),
            "1\n00:00:01,000 --> 00:00:02,500\nx <i\n\n",
        ],
    )
    def test_hostile_text_takes_linear_time(self, part: str) -> None:
        text = part * (100_000 // len(part))
        started = time.process_time()
        cleanup_edits(text)
        assert time.process_time() - started < 5

    def test_long_word_of_two_scripts_takes_linear_time(self) -> None:
        started = time.process_time()
        cleanup_edits("a" * 50_000 + "а" * 50_000)
        assert time.process_time() - started < 5
