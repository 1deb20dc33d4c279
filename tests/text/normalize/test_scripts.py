"""Languages by sentence."""

from __future__ import annotations

import time

import pytest

from gateway.text.normalize.scripts import language_runs

CASES = [
    # Sentences of one text, each in its language.
    ("en", ["I have 3 apples. |en", "我有3个苹果。|zh", "りんごが3個あります。|ja"]),
    ("zh", ["我有3个苹果。|zh", "I have 3 apples.|en"]),
    ("ja", ["りんごは3個です。|ja", "I have 3 apples.|en"]),
    ("en", ["我有3个苹果，价格¥5。|zh"]),
    ("de", ["Es kostet 5 €. |de", "价格是5元。|zh"]),
    ("fr", ["Ça coûte 5 €.|fr"]),
    ("en", ["Привет, 3 яблока. |ru", "OK, 3 apples.|en"]),
    # Numbers without letters are in the language of the sentence before them.
    ("zh", ["I have 3 apples. 5.|en"]),
    ("ja", ["12|ja"]),
    # Units and names of models are not a foreign sentence, English words are.
    ("zh", ["25°C|zh"]),
    ("zh", ["NT$500|zh"]),
    ("ja", ["GPT-4|ja"]),
    ("zh", ["iPhone 15 Pro Max 256GB 售价¥9,999起|zh"]),
    ("zh", ["Windows 11和RTX 4090很配。|zh"]),
    ("zh", ["请看https://www.example.com/docs。|zh"]),
    ("zh", ["It is 5.|en"]),
    # Chinese characters without kana.
    ("ja", ["東京2020。|ja"]),
    ("en", ["東京2020。りんごは3個です。|ja"]),
    ("en", ["東京2020。|zh"]),
    # Some kana in a Chinese name, and a foreign word in an English sentence.
    ("zh", ["鲜の每日牛奶2元。|zh"]),
    ("zh", ["これは3個です。|ja"]),
    # A formula is not a Greek sentence.
    ("en", ["α = 0.05, θ ≤ 90°|en"]),
    ("de", ["π ≈ 3,14. |de", "Καλημέρα, 3 μήλα.|el"]),
    ("en", ["The word 你好 means hello, 2 times.|en"]),
]


@pytest.mark.parametrize(("language", "parts"), CASES, ids=[" ".join(parts) for _, parts in CASES])
def test_each_sentence_is_in_the_language_of_its_script(language: str, parts: list[str]) -> None:
    expected = [tuple(part.rsplit("|", 1)) for part in parts]
    text = "".join(sentence for sentence, _ in expected)
    assert [(text[start:end], found) for start, end, found in language_runs(text, language)] == expected


def test_runs_cover_the_text() -> None:
    text = "A. 你好。\n\nこんにちは！ 5 … ok? "
    runs = list(language_runs(text, "en"))
    assert "".join(text[start:end] for start, end, _ in runs) == text
    assert list(language_runs("", "zh")) == []


@pytest.mark.parametrize("unit", ["a", "中", "あ", "a ", "。", ". ", "\n", "中a", "1"])
def test_hostile_text_takes_linear_time(unit: str) -> None:
    started = time.process_time()
    list(language_runs(unit * (100_000 // len(unit)), "en"))
    assert time.process_time() - started < 2
