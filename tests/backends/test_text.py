from __future__ import annotations

from itertools import pairwise

import pytest

from backends.errors import InvalidJob
from backends.text import require_scripts, script, split_at


@pytest.mark.parametrize(
    ("char", "expected"),
    [
        ("a", "LATIN"), ("é", "LATIN"), ("Ａ", "LATIN"), ("你", "CJK"), ("々", "CJK"), ("ひ", "HIRAGANA"),
        ("カ", "KATAKANA"), ("ﾊ", "KATAKANA"), ("ー", "KATAKANA"), ("한", "HANGUL"), ("я", "CYRILLIC"), ("α", "GREEK"),
        ("𝐀", "LATIN"), ("ª", "LATIN"), ("ʰ", "LATIN"), ("µ", "GREEK"), ("²", None),
        ("1", None), (".", None), ("🙂", None), (" ", None), ("́", None),
    ],
)  # fmt: skip
def test_script(char: str, expected: str | None) -> None:
    assert script(char) == expected


def test_a_foreign_letter_is_named_with_the_languages_it_needs() -> None:
    with pytest.raises(InvalidJob, match=r"tiny cannot speak '你' .*character 7") as caught:
        require_scripts("Hello 你好", {"LATIN"}, "tiny")
    assert caught.value.param == "text"
    assert caught.value.needs_languages == ("zh", "ja")


@pytest.mark.parametrize("text", ["Hello ગુજરાતી there", "ខ្មែរ", "አማርኛ", "Tiếng ᏣᎳᎩ"])
def test_scripts_nobody_listed_are_refused_too(text: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        require_scripts(text, {"LATIN"}, "tiny")
    assert caught.value.needs_languages == ()


def test_letters_that_serve_as_symbols_pass_alone_but_not_as_words() -> None:
    require_scripts("α = 0.05, Δx and 5 Ω", {"LATIN"}, "tiny", {"GREEK"})
    with pytest.raises(InvalidJob, match=r"'Κ' .*Greek"):
        require_scripts("Say Καλημέρα", {"LATIN"}, "tiny", {"GREEK"})


def test_known_scripts_and_symbols_pass() -> None:
    require_scripts("Naïve café, 5 € — 🙂 你", {"LATIN", "CJK"}, "tiny")


@pytest.mark.parametrize("text", ["", "short", "one, two, three, " * 40, "word " * 100, "x" * 500, "，" * 300])
def test_split_spans_cover_everything_in_order_and_stay_short(text: str) -> None:
    spans = split_at(text, 0, len(text), 60)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    for (start, end), (following, _) in pairwise(spans):
        assert end == following
        assert start < end
    assert all(end - start <= 60 for start, end in spans)


def test_split_prefers_clauses_then_spaces() -> None:
    text = "a first clause that is long enough, then another one follows here without any comma at all"
    spans = split_at(text, 0, len(text), 60)
    assert text[slice(*spans[0])] == "a first clause that is long enough, "
    assert all(text[end - 1] == " " for _, end in spans[:-1])
