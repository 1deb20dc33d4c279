from __future__ import annotations

import time

import pytest

from gateway.text.lexicon import Lexicon, lexicon_edits
from gateway.text.mapped_text import MappedText
from gateway.text.normalize import normalization_edits


def lexicon(name: str = "a", language: str | None = None, voices: tuple[str, ...] = (), **entries: str) -> Lexicon:
    return Lexicon(name, language, voices, entries)


def of(entries: dict[str, str]) -> Lexicon:
    return Lexicon("a", None, (), entries)


def spoken(text: str, *lexicons: Lexicon, language: str = "en", voice: str = "heart") -> str:
    return MappedText.of(text).apply(lexicon_edits(text, lexicons, language, voice)).text


def test_edits_have_the_category_and_the_span_of_the_word() -> None:
    (edit,) = lexicon_edits("ask Voxgate now", [of({"Voxgate": "vox gate"})], "en", "heart")
    assert (edit.start, edit.end, edit.spoken, edit.category) == (4, 11, "vox gate", "lexicon")


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("nginx", "nginx runs nginx.", "[] runs []."),
        ("nginx", "nginxes, anginx, nginx2, nginx_proxy", "nginxes, anginx, nginx2, nginx_proxy"),
        ("nginx", "(nginx) nginx-proxy, “nginx”, nginx's, nginx’s", "([]) []-proxy, “[]”, []'s, []’s"),
        ("nginx", "NGINX, Nginx's and NGINX'S", "[], []'s and []'S"),
        ("can", "I can, can't and can’t", "I [], can't and can’t"),
        ("on", "on onto söon Öon ón", "[] onto söon Öon ón"),
        ("straße", "Straße, Straßen", "[], Straßen"),
        ("API", "l'API et l’API d'API", "l'[] et l’[] d'[]"),
        ("café", "Café, cafés", "[], cafés"),
        ("क", "कि क", "कि []"),
        ("Москва", "Москва и Москвару", "[] и Москвару"),
        ("ос", "ОС, росс", "[], росс"),
    ],
)
def test_words_of_letters_match_between_word_boundaries(word: str, text: str, expected: str) -> None:
    assert spoken(text, of({word: "x"})) == expected.replace("[]", "x")


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("GPT-4", "GPT-4, GPT-4. GPT-4-turbo", "[], []. []-turbo"),
        ("GPT-4", "GPT-4o GPT-4.5 GPT-42 xGPT-4", "GPT-4o GPT-4.5 GPT-42 xGPT-4"),
        ("GPT-4", "GPT‑4", "[]"),
        ("C++", "C++ and C++20, not ObjC++", "[] and [] 20, not ObjC++"),
        (".NET", ".NET, ASP.NET and .NETwork", "[], ASP [] and .NETwork"),
        ("AC/DC", "AC/DC", "[]"),
        ("24/7", "24/7. 124/7 24/77 24/7/365", "[]. 124/7 24/77 24/7/365"),
        ("5", "5 3.5 5,000 5:30 5.", "[] 3.5 5,000 5:30 []."),
        ("C#", "C# C#, VC#", "[] [], VC#"),
        ("→", "a→b", "a [] b"),
    ],
)
def test_words_with_digits_and_signs_match_as_a_whole(word: str, text: str, expected: str) -> None:
    assert spoken(text, of({word: "x"})) == expected.replace("[]", "x")


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("微信", "我用微信聊天", "我用[]聊天"),
        ("東京", "東京都から", "[]都から"),
        ("カメラ", "新しいカメラを", "新しい[]を"),
        ("กรุงเทพ", "ในกรุงเทพวันนี้", "ใน[]วันนี้"),
        ("카카오톡", "카카오톡은", "[]은"),
        ("nginx", "使用nginx的服务器", "使用[]的服务器"),
        ("微信app", "微信apps 微信app吧", "微信apps []吧"),
    ],
)
def test_words_in_scripts_without_spaces_match_anywhere(word: str, text: str, expected: str) -> None:
    assert spoken(text, of({word: "替"}), language="zh") == expected.replace("[]", "替")


def test_lower_case_word_matches_any_case_and_other_words_match_as_written() -> None:
    assert spoken("Polish polish POLISH", of({"polish": "a", "Polish": "b"})) == "b a a"
    assert spoken("Polish polish POLISH", of({"Polish": "b"})) == "b polish POLISH"
    assert spoken("iOS IOS ios", of({"iOS": "b"})) == "b IOS ios"
    assert spoken("İzmir’de ΟΔΟΣ", of({"οδος": "b"})) == "İzmir’de b"


def test_longest_word_applies_and_then_the_earlier_dictionary() -> None:
    first, second = of({"new": "n", "New York": "a"}), of({"New York City": "c", "New York": "b", "york": "y"})
    assert spoken("New York, New York City, New Yorkers, York", first, second) == "a, c, n Yorkers, y"
    assert spoken("New York", second, first) == "b"
    assert spoken("SQL sql", of({"sql": "a"}), of({"SQL": "b"})) == "a a"


def test_phrase_matches_over_any_single_white_space_and_typographic_signs() -> None:
    entries = of({"New York": "a", "rock'n'roll": "b", "e-mail": "c"})
    assert spoken("New\nYork New\u00a0York rock’n’roll e‑mail", entries) == "a a b c"


def test_dictionaries_apply_by_language_and_voice() -> None:
    english, any_voice, heart = (
        lexicon("a", "en-US", x="a"),
        lexicon("b", y="b"),
        lexicon("c", voices=("Heart",), z="c"),
    )
    assert spoken("x y z", english, any_voice, heart) == "a b c"
    assert spoken("x y z", english, any_voice, heart, language="de", voice="bob") == "x b z"
    assert lexicon_edits("x", [], "en", "heart") == []


def test_sentence_in_another_script_uses_the_dictionaries_of_its_language_too() -> None:
    chinese = Lexicon("z", "zh", (), {"微信": "威信"})
    assert spoken("Hello. 我用微信。 Bye, x.", chinese, lexicon(language="en", x="ex")) == "Hello. 我用威信。 Bye, ex."


def test_edits_do_not_cross_a_change_of_the_language() -> None:
    entries = of({"Inc. 微信": "x", "微信": "威信"})
    assert spoken("Acme Inc. 微信。", entries) == "Acme Inc. 威信。"


def test_replaced_words_are_not_normalized() -> None:
    text = "It runs 24/7."
    edits = lexicon_edits(text, [of({"24/7": "around the clock"})], "en", "heart")
    edits = normalization_edits(text, "en", ["fraction", "cardinal"], edits)
    assert MappedText.of(text).apply(edits).text == "It runs around the clock."


def test_large_dictionary_takes_milliseconds() -> None:
    large = of({f"{'qwertyuiop'[index % 10]}{index:x}g": "spoken" for index in range(5000)})
    text = "a word here, q0g and Another one. " * 147
    assert spoken(text, large).count("spoken") == 147
    start = time.process_time()
    spoken(text, large)
    assert time.process_time() - start < 1  # 3 ms on an idle core


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"一" * length + "二": "x" for length in range(1, 200)}, "一" * 100_000),
        ({"一" * length: "x" for length in range(1, 200)}, "一丁" * 50_000),
        ({"-A" * length: "x" for length in range(1, 100)}, "-a" * 50_000),
        ({"'" * length: "x" for length in range(1, 200)}, "a'" * 50_000),
        ({"a": "x"}, "İ" * 100_000),
    ],
)
def test_hostile_text_takes_linear_time(entries: dict[str, str], text: str) -> None:
    start = time.process_time()
    lexicon_edits(text, [of(entries)], "zh", "heart")
    assert time.process_time() - start < 5
