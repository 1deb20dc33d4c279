"""Supported letters are normalized; a text with others is rejected."""

from __future__ import annotations

import pytest

from backends.errors import InvalidJob
from backends.fish.v0_2.text.normalize import check_letters, normalize, normalize_with_origins

ALL = ("zh", "en", "ja")


@pytest.mark.parametrize("text", ["Hello!", "你好，world", "東京タワーへ", "naïve café", "3", "100％"])
def test_supported_text_is_accepted(text: str) -> None:
    check_letters(text, ALL, "fish")


@pytest.mark.parametrize(
    ("text", "languages", "needs"),
    [
        ("Привет", ALL, ("ru", "uk", "bg")),
        ("안녕", ALL, ("ko",)),
        ("カタカナ", ("zh", "en"), ("ja",)),
        ("漢字", ("en",), ("zh", "ja")),
        ("ʞ", ALL, ()),
        ("㐀", ALL, ()),
    ],
)
def test_unsupported_letter_is_rejected(text: str, languages: tuple[str, ...], needs: tuple[str, ...]) -> None:
    with pytest.raises(InvalidJob, match="cannot speak") as caught:
        check_letters(f"ok {text}", languages, "fish")
    assert caught.value.param == "text"
    assert caught.value.needs_languages == needs


@pytest.mark.parametrize("text", ["...", "!?", "🙂", "—"])
def test_text_without_letters_is_rejected(text: str) -> None:
    with pytest.raises(InvalidJob, match="nothing to speak"):
        check_letters(text, ALL, "fish")


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("naïve café", "naive cafe"),
        ("cafe\u0301", "cafe"),
        ("Straße Łódź Ærø", "Strasse Lodz AEro"),
        ("Ａｂ", "Ab"),
        ("你好ガ", "你好ガ"),
        ("人々", "人人"),
        ("ﾊﾟﾝ", "パン"),
        ("plain, 123!", "plain, 123!"),
    ],
)
def test_accents_are_removed(text: str, normalized: str) -> None:
    assert normalize(text) == normalized


def test_every_normalized_character_has_an_origin() -> None:
    normalized, origins = normalize_with_origins("Straße, cafe\u0301!")
    assert normalized == "Strasse, cafe!"
    assert ["Straße, cafe\u0301!"[position] for position in origins[4:6]] == ["ß", "ß"]
    assert origins[-2:] == [13, 14]
    assert len(origins) == len(normalized) + 1
