"""Vocabulary: text becomes f5-tts's symbol ids, and unknown letters are rejected instead of dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.f5.synthetic import OFFICIAL_VOCAB_SIZE, write_vocab

from backends.errors import InvalidJob, LoadError
from backends.f5.vocabulary import Vocabulary, package_file, read_vocabulary


@pytest.fixture(scope="module")
def official() -> Vocabulary:
    return read_vocabulary(package_file("infer/examples/vocab.txt"))


@pytest.fixture(scope="module")
def symbols() -> list[str]:
    return package_file("infer/examples/vocab.txt").read_text().split("\n")


def test_text_becomes_the_official_ids(official: Vocabulary, symbols: list[str]) -> None:
    assert len(official) == OFFICIAL_VOCAB_SIZE
    assert [symbols[index] for index in official.ids("Hi, 你好")] == ["H", "i", ",", " ", " ", "ni2", " ", "hao3"]


def test_unknown_punctuation_becomes_a_space_and_unknown_letters_and_signs_are_rejected(official: Vocabulary) -> None:
    assert official.ids("⁋") == [0]
    official.require("Hi ⁋ 42")
    for unknown in "ꙮ🜁":
        with pytest.raises(InvalidJob, match=unknown):
            official.require(f"a{unknown}")


def test_alphabet_has_single_symbols_and_chinese_where_the_vocabulary_has_pinyin(official: Vocabulary) -> None:
    alphabet = official.alphabet({"CJK", "LATIN"})
    assert [char for char in "aZé9$中ж!🜁" if not alphabet.has(char)] == ["ж", "🜁"]
    assert not official.alphabet({"LATIN"}).has("中")


def test_unknown_reading_in_context_falls_back_to_the_reading_in_isolation(
    official: Vocabulary, symbols: list[str]
) -> None:
    text = "这个很有意思，弟弟！"
    official.require(text)
    expected = "zhe4 ge4 hen3 you3 yi4 si1 ， di4 di4 ！".split()
    assert [symbols[index] for index in official.ids(text) if index] == expected
    with pytest.raises(InvalidJob, match="cun3"):
        official.require("思忖")


def test_unknown_combining_mark_is_composed_with_its_letter(tmp_path: Path) -> None:
    vocabulary = read_vocabulary(write_vocab(tmp_path, " acefé"))
    assert vocabulary.ids("cafe\u0301") == vocabulary.ids("café")
    vocabulary.require("cafe\u0301")
    with pytest.raises(InvalidJob, match="ê"):
        vocabulary.require("cafe\u0302")
    vocabulary = read_vocabulary(write_vocab(tmp_path, " acef\u0301"))
    assert vocabulary.ids("cafe\u0301")[-1] == 5


def test_file_without_final_newline_keeps_its_last_symbol(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text(" \na\nb")
    assert read_vocabulary(tmp_path / "vocab.txt").ids("ab") == [1, 2]


def test_file_without_leading_space_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(LoadError, match="first line must be a space"):
        read_vocabulary(tmp_path / "vocab.txt")
