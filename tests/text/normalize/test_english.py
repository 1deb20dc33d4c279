"""Properties of the English normalizer; the golden table has its readings."""

from __future__ import annotations

import random
import re
import time
import unicodedata

import pytest

from backends.text import Alphabet
from gateway.text.mapped_text import Edit, MappedText
from gateway.text.normalize import CATEGORIES
from gateway.text.normalize.english import LANGUAGE
from gateway.text.normalize.english.rest import read_rest
from gateway.text.normalize.rules import find_edits

LATIN = Alphabet(("LATIN",))
SIGN = re.compile(r"[\d#%&*/@\\_§¶†‡$€£¥¢+=<>^`|~°×÷≥≤≈±√→©®™²³½]")
PIECES = (
    "1 12 007 1984 3.14 1,234 5kg $5 €5,99 20% -3 ½ 10:30 9am a word GPT-4 v2.0 x² 3/4 1/2 12/25 2024-05-17 555-1234 #"
    " @ & * ** = < > ≥ ~ _ | \\ / ^ ( ) [ ] . , ! - – — ' \" ` $ € % ° °C × ÷ ± √ π → 😀 © ™ § № 1st 90s II No. no."
    " St. Dr. http://a.com/1 a@b.com main.py 192.168.1.1 { } ; : ? e5 k M bn USD in m² 5'10\" ① Ⅳ ₂ ⁵ ١٢ ¥ ¢ ‰ ft °F x"
    " X 3x 1920x1080 '90s T Z … |a| __x__ a_b A1-B2 0x1F 1e5 +1 ¼ ∞ ∑ -$5 $20-30 3-5 2:1 UTC+2 #1 C# ⅔ 5'"
).split()


def edits(text: str, categories: frozenset[str] = frozenset(CATEGORIES)) -> list[Edit]:
    return find_edits(text, 0, len(text), LANGUAGE, categories)


def spoken(text: str, categories: frozenset[str] = frozenset(CATEGORIES)) -> str:
    return MappedText.of(text).apply(edits(text, categories)).text


def random_texts(between: str, count: int) -> list[str]:
    rng = random.Random(16)
    return [between.join(rng.choices(PIECES, k=rng.randint(1, 8))) for _ in range(count)]


class TestAnyText:
    @pytest.mark.parametrize("between", ["", " ", "-", ", "])
    def test_no_digit_and_no_sign_is_left(self, between: str) -> None:
        for text in random_texts(between, 400):
            read = spoken(text)
            assert not SIGN.search(read), (text, read)
            assert all(LATIN.has(char) for char in read), (text, read)
            assert not any(unicodedata.category(char)[0] in "NS" for char in read), (text, read)

    def test_words_are_one_space_apart(self) -> None:
        for text in random_texts(" ", 400):
            assert "  " not in spoken(text), text

    def test_every_edit_has_a_known_category_and_says_something_unless_it_is_a_mark(self) -> None:
        for text in random_texts(" ", 400):
            for edit in edits(text):
                assert edit.category in CATEGORIES
                assert edit.spoken or edit.category in ("emoji", "sign"), (text, edit)

    def test_words_are_not_changed(self) -> None:
        text = "Nothing here is a number, a sign or an abbreviation; it's plain English (and short)."
        assert edits(text) == []


class TestCategories:
    def test_edit_has_the_span_of_what_it_reads(self) -> None:
        text = "It costs $5.99 today."
        [edit] = edits(text)
        assert (text[edit.start : edit.end], edit.category) == ("$5.99", "currency")

    def test_category_that_is_turned_off_is_left_as_it_is(self) -> None:
        text = "See https://example.com today"
        assert spoken(text, frozenset(CATEGORIES) - {"address", "sign", "math"}) == text

    def test_no_category_changes_nothing(self) -> None:
        text = "On 5/6/2024 I paid $5 & left 😀"
        assert spoken(text, frozenset()) == text


class TestRest:
    def test_numeral_beside_digits_is_read_apart(self) -> None:
        text = "①1920"
        assert MappedText.of(text).apply(read_rest(text)).text == "one one thousand nine hundred and twenty"

    def test_sign_without_a_word_of_its_own_has_its_unicode_name(self) -> None:
        assert spoken("a ⚗ ⌘ key") == "a place of interest sign key"

    def test_text_without_digits_and_signs_has_no_edits(self) -> None:
        assert read_rest("no {braces} here") == []


class TestSpeed:
    @pytest.mark.parametrize(
        "piece",
        ["1", "1,", "1.", "1/", "1-", "1:", "1 ", "-", "$", "$1", "a.", "a/", "a_", "a-1", "@a", "#a", "*a", "_a",
         "`", "😀", " ", "\n", "(", "'", "°", "x", "1x", "=", "=1", "-a", "a=-", "|", "I", "St. ", "no. ", "Mon-",
         "1h", "http://", "\\", "5'", "1e", "V.", "²", "½", "1½", "a@", "May 1", "1 000", "A-", "\"1\"", "/a", "~",
         "A1"],
    )  # fmt: skip
    def test_time_is_linear_in_the_text(self, piece: str) -> None:
        text = piece * (20_000 // len(piece))
        started = time.process_time()
        edits(text)
        assert time.process_time() - started < 4, piece

    def test_sentence_without_digits_takes_a_fraction_of_a_millisecond(self) -> None:
        text = "This is a plain sentence of about one hundred characters, which has no digits or signs in it."
        assert min(seconds(text) for _ in range(50)) < 0.001

    def test_sentence_with_three_numbers_takes_few_milliseconds(self) -> None:
        texts = [f"On May {day}, we paid ${day + 31}.99 for {day + 400} apples in the shop." for day in range(1, 29)]
        assert min(map(seconds, texts)) < 0.003


def seconds(text: str) -> float:
    started = time.process_time()
    edits(text)
    return time.process_time() - started
