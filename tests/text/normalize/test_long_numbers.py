"""Numbers of any length in every language: the library that reads them has limits, and one of its loops never ends."""

from __future__ import annotations

import pytest
from num2words import CONVERTER_CLASSES

from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits
from gateway.text.normalize.languages import language_for

LANGUAGES = sorted({"en", "zh", "ja", "hi", "nb", "kk", *(name.split("_")[0] for name in CONVERTER_CLASSES)})
FORMS = (
    "{}",
    "{}.5",
    "3,{}",
    "${}",
    "{}%",
    "{}.",
    "{}th",
    "+1 555 {}",
    "{} km",
    "{}/{}",
    "2024-05-{}",
    "IV {}",
    "x^{}",
)
NUMBERS = (*(digit * length for length in range(1, 18) for digit in "19"), "1" * 37, "٣" * 40, "４" * 311, "0" * 20)


def read(text: str, language: str) -> str:
    edits = normalization_edits(text, language, frozenset(CATEGORIES))
    return MappedText.of(text).apply(edits).text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("language", LANGUAGES)
def test_number_of_any_length_is_read_in_words(language: str) -> None:
    assert language_for(language) is not None or language == "kk"
    for number in NUMBERS:
        for form in FORMS:
            words = read(form.replace("{}", number), language)
            assert not any(char.isdecimal() for char in words), (form, number, words)


@pytest.mark.parametrize("language", ["en", "zh", "ja", "de", "am", "kn"])
def test_number_of_10000_digits_is_read_digit_by_digit(language: str) -> None:
    assert len(read("7" * 10_000, language).replace(" ", "")) == 10_000 * len(read("7", language))
