"""English and Japanese phones: dictionaries, numbers, unknown words."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import sys
import types
from pathlib import Path

import pytest

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.g2p import en
from backends.fish.v0_2.text.g2p.en import DICTIONARY, NETWORK, English, read_cmudict
from backends.fish.v0_2.text.g2p.guess import Guesser
from backends.fish.v0_2.text.g2p.ja import Japanese
from backends.fish.v0_2.text.g2p.numbers import cardinal, ordinal, spell_numbers, year
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.symbols import PHONES


def test_unknown_english_words_are_guessed_spelled_or_rejected(
    phonemizer: Phonemizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = English()
    english.warm_up()
    assert english("flibberts") == ["F", "L", "IH1", "B", "ER0", "T", "S"]
    assert english("Zorb's zorb's") == [*english("Zorb"), "Z", *english("zorb"), "Z"]
    assert english("GPT4") == [*english("gpt"), *english("four")]
    monkeypatch.setattr(english, "_guess", None)
    assert english("XQA!") == ["EH1", "K", "S", "K", "Y", "UW1", "EY1", "!"]
    with pytest.raises(InvalidJob, match="'flibberts' is unknown: write it in other words") as caught:
        english("He flibberts.")
    assert caught.value.param == "text"


def test_english_words_beside_punctuation(phonemizer: Phonemizer) -> None:
    assert phonemizer("'Hello'", ("en",)) == "' <p:HH> <p:AH0> <p:L> <p:OW1> '"
    assert phonemizer("and/or @ & = ", ("en",)) == "<p:AE1> <p:N> <p:D> <p:AO1> <p:R>"
    assert phonemizer("well-known", ("en",)) == "<p:W> <p:EH1> <p:L> - <p:N> <p:OW1> <p:N>"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0", "zero"),
        ("13", "thirteen"),
        ("21", "twenty one"),
        ("100", "one hundred"),
        ("999", "nine hundred ninety nine"),
        ("1000", "one thousand"),
        ("1905", "nineteen oh five"),
        ("1800", "eighteen hundred"),
        ("2000", "two thousand"),
        ("2009", "two thousand nine"),
        ("2023", "twenty twenty three"),
        ("3001", "three thousand one"),
        ("1,234,567", "one million, two hundred thirty four thousand, five hundred sixty seven"),
        ("2nd", "second"),
        ("12th", "twelfth"),
        ("20TH", "twentieth"),
        ("21st", "twenty first"),
        ("1000th", "one thousandth"),
        ("3.25", "three point two five"),
        ("0007", "seven"),
        ("1,2", "one , two"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
        ("x2y", "x two y"),
    ],
)
def test_english_numbers_are_spelled_out(text: str, read: str) -> None:
    assert " ".join(spell_numbers(text).split()) == read


def test_number_words_are_distinct() -> None:
    assert len({cardinal(number) for number in range(3000)}) == 3000
    assert len({ordinal(number) for number in range(3000)}) == 3000
    assert len({year(number) for number in range(1100, 3000)}) == 1900
    assert cardinal(10**15 - 1).startswith("nine hundred ninety nine trillion, ")


def test_english_needs_no_optional_package(hidden: pytest.MonkeyPatch) -> None:
    english = English()
    assert english("hi") == ["HH", "AY1"]
    assert english("flibberts") == ["F", "L", "IH1", "B", "ER0", "T", "S"]


def test_shipped_network_is_that_of_g2p_en() -> None:
    digest = "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6"
    assert hashlib.sha256(NETWORK.read_bytes()).hexdigest() == digest
    assert "Apache License" in NETWORK.with_name("LICENSE").read_text(encoding="utf-8")


def test_shipped_dictionary_is_cmudict_of_december_2024() -> None:
    upstream = gzip.decompress(DICTIONARY.read_bytes())
    digest = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"  # cmusphinx/cmudict 0f8072f
    assert hashlib.sha256(upstream).hexdigest() == digest
    assert DICTIONARY.stat().st_size <= 1_200_000
    assert "Carnegie Mellon University" in DICTIONARY.with_name("LICENSE").read_text(encoding="utf-8")


def test_every_word_has_its_first_pronunciation() -> None:
    entries = read_cmudict(DICTIONARY)
    assert len(entries) == 126_052
    assert entries["a"] == "AH0"
    listed = "".join(f"{word}\t{phones}\n" for word, phones in sorted(entries.items()))
    digest = "62a0f3e33f8fe3a6f254c203b074d4c76e78c8c9e2ed78876e30fce16133b7b9"
    assert hashlib.sha256(listed.encode()).hexdigest() == digest


def test_missing_dictionary_refuses_english_and_names_the_language(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(en, "DICTIONARY", tmp_path / "cmudict.dict.gz")
    with pytest.raises(InvalidJob, match=r"cmudict\.dict\.gz") as caught:
        Phonemizer()("hi", ("en",))
    assert (caught.value.param, caught.value.needs_languages) == ("text", ("en",))
    with pytest.raises(LoadError, match=r"cmudict\.dict\.gz"):
        Phonemizer().warm_up("en")


def test_invalid_dictionary_and_weights_are_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff\xfe")
    cut = tmp_path / "file.cut.gz"
    cut.write_bytes(gzip.compress(b"hi HH AY1\n")[:-12])
    with pytest.raises(LoadError, match=r"file\.cut\.gz"):
        read_cmudict(cut)
    for read in (read_cmudict, Guesser):
        with pytest.raises(LoadError, match="file"):
            read(file)
        with pytest.raises(LoadError, match="none"):
            read(tmp_path / "none")


def test_japanese_phones_that_the_model_lacks_are_replaced() -> None:
    converter = Japanese()
    converter.warm_up()
    assert converter("あ、%い。".replace("、", ",").replace("。", ".")) == ["a", ",", "i", "."]
    assert converter("クォーク") == ["k", "u", "o", "o", "k", "u"]
    assert (
        set(itertools.chain.from_iterable(map(converter, ("デュエット", "フュージョン", "テュール")))) <= PHONES["jp"]
    )


def test_japanese_text_longer_than_open_jtalks_buffer_is_split() -> None:
    calls = []
    converter = Japanese()
    converter._g2p = lambda text: calls.append(text) or "a pau"  # type: ignore[func-returns-value]
    assert converter("あ" * 1000) == ["a", "-"] * 3
    assert [len(call) for call in calls] == [400, 400, 200]


def test_japanese_dictionary_is_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("pyopenjtalk")
    module.OPEN_JTALK_DICT_DIR = str(tmp_path / "none").encode()  # type: ignore[attr-defined]
    module.g2p = lambda text: pytest.fail("it would be fetched now")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyopenjtalk", module)
    with pytest.raises(LoadError, match=r"none.*fish-ja"):
        Japanese().warm_up()
    (tmp_path / "none").mkdir()
    module.g2p = lambda text: "k a"  # type: ignore[attr-defined]
    assert Japanese()("か") == ["k", "a"]
