"""Languages whose normalizers are built from their words; their sentences are in ``tests/text/golden``."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest

from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits
from gateway.text.normalize.languages import language_for

LANGUAGES = ["ar", "de", "es", "fi", "fr", "hi", "it", "nl", "pl", "pt", "ru"]
SIGNS = "+-−=×÷<>≤≥±≈≠~&§©®™°%‰/\\@#_^*`|•€$£¥½¾²³⁵₂№"
WORDS = {"ar": "كلمة", "hi": "शब्द", "ru": "слово"}


def spoken(text: str, language: str, categories: frozenset[str] = frozenset(CATEGORIES)) -> str:
    return MappedText.of(text).apply(normalization_edits(text, language, categories)).text


def unread(text: str) -> set[str]:
    """Digits and signs that are left."""
    return {char for char in text if unicodedata.category(char)[0] in "NS" or char in "%&/\\@#*_§‰•"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_digit_or_sign_is_left(language: str) -> None:
    chance = random.Random(16)
    word = WORDS.get(language, "wort")
    known = "".join(sign for sign in SIGNS if sign != "№" or language == "ru")
    atoms = [
        *known,
        *"0123456789",
        "٣",
        "५",
        ",",
        ".",
        ":",
        " ",
        " ",
        "\u00a0",
        word,
        "kg",
        "5,99 €",
        "14:30",
        "XIV",
        "1.",
        "z",
    ]
    for _ in range(400):
        text = f"{word} " + "".join(chance.choices(atoms, k=chance.randint(1, 14)))
        assert not unread(spoken(text, language)), (text, spoken(text, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_beside_words_are_separate_words(language: str) -> None:
    word = WORDS.get(language, "Wort")
    read = spoken(f"{word}7{word}", language)
    assert read.startswith(f"{word} ")
    assert read.endswith(f" {word}")


@pytest.mark.parametrize("language", ["de", "pl"])
@pytest.mark.parametrize("unit", ["1", "1.", "1,000", "12/", "-1", "1 ", "X. ", "1:30", "+1 (0)", "1 1/2 "])
def test_hostile_text_takes_linear_time(language: str, unit: str) -> None:
    text = (unit * 40_000)[:40_000]
    start = time.process_time()
    normalization_edits(text, language, frozenset(CATEGORIES))
    assert time.process_time() - start < 5


def test_category_that_is_off_leaves_its_text() -> None:
    assert spoken("Am 5. Mai um 14:30 Uhr", "de", frozenset(["time"])) == "Am 5. Mai um vierzehn Uhr dreißig"
    assert spoken("5 % und 7", "de", frozenset(["percent"])) == "fünf Prozent und 7"


@pytest.mark.parametrize(
    ("language", "written", "read"),
    [
        ("de", "1.234,5", "eintausendzweihundertvierunddreißig Komma fünf"),
        ("de", "1 234,5", "eintausendzweihundertvierunddreißig Komma fünf"),
        ("de", "1,234,567.5", "eine Million zweihundertvierunddreißigtausendfünfhundertsiebenundsechzig Punkt fünf"),
        ("fr", "1\u202f234,5", "mille deux cent trente-quatre virgule cinq"),
        ("fr", "1\u00a0234", "mille deux cent trente-quatre"),
        ("fr", "3.5", "trois point cinq"),
        ("es", "21.000", "veintiún mil"),
        ("hi", "12,34,567.5", "बारह लाख चौंतीस हज़ार पाँच सौ सड़सठ दशमलव पाँच"),
        ("ar", "٣٫١٤", "ثلاثة فاصلة أربعة عشر"),
        ("ru", "1,5", "одна целая пять десятых"),
    ],
)
def test_group_and_decimal_marks_are_those_of_the_language(language: str, written: str, read: str) -> None:
    assert spoken(written, language) == read


def test_hindi_numbers_have_lakhs_and_crores() -> None:
    assert spoken("1,00,00,000", "hi") == "एक करोड़"
    assert spoken("100000", "hi") == "एक लाख"


def test_language_without_words_gets_its_numbers_read_and_keeps_its_signs() -> None:
    assert spoken("Rum 12, 3,5 % och 2.000 kr", "sv") == "Rum tolv, tre komma fem % och tvåtusen kr"
    assert spoken("nr 007", "nb") == "nr null null syv"


def test_language_that_num2words_lacks_has_no_normalizer() -> None:
    assert language_for("xx") is None
    assert spoken("Room 12", "xx") == "Room 12"


def test_letters_of_a_currency_inside_a_word_are_not_read() -> None:
    assert spoken("Akrobat ∮ CHFX", "de") == "Akrobat ∮ CHFX"


def test_leftovers_beside_a_dictionary_edit_are_read() -> None:
    text = "ab12"
    fixed = normalization_edits("12", "de", frozenset(CATEGORIES))
    edits = normalization_edits(text, "de", frozenset(CATEGORIES), [type(fixed[0])(0, 3, "x", "lexicon")])
    assert MappedText.of(text).apply(edits).text.split() == ["x", "zwei"]


@pytest.mark.parametrize("language", ["de", "hi", "fr", "fi"])
@pytest.mark.parametrize("text", ["€5,991.234,561/2v", "1.234,561.234,565kg", "1,2,3.4.5"])
def test_marks_that_make_no_number_are_read(language: str, text: str) -> None:
    edits = normalization_edits(text, language, frozenset(CATEGORIES))
    assert not any(char.isdigit() for char in MappedText.of(text).apply(edits).text)
