"""Mandarin phones: tone sandhi, syllables, numbers."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import types
from pathlib import Path

import pytest

from backends.errors import InvalidJob
from backends.fish.v0_2.text.g2p import ja, zh
from backends.fish.v0_2.text.g2p.pinyin import split_syllable
from backends.fish.v0_2.text.g2p.zh import Chinese
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.symbols import PHONES

ORDER = ("zh", "jp", "en")


def tones(phones: str) -> str:
    return "".join(phone[-2] for phone in phones.split() if phone[-2].isdigit())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("老虎", "23"),
        ("展览馆", "223"),
        ("小老虎", "323"),
        ("好喜欢", "235"),
        ("所有人", "232"),
        ("不怕", "24"),
        ("不来", "42"),
        ("看不懂", "453"),
        ("不", "4"),
        ("一天", "41"),
        ("一样", "24"),
        ("第一天", "411"),
        ("一百二十", "4342"),
        ("一一得一", "1151"),
        ("看一看", "454"),
        ("我一", "31"),
        ("奶奶", "35"),
        ("朋友们", "255"),
        ("女子", "23"),
        ("儿子", "25"),
        ("桌上", "15"),
        ("上来", "45"),
        ("两个人", "352"),
        ("东西", "15"),
        ("好吧", "35"),
        ("花儿", "12"),
        ("美好理想", "2323"),
    ],
)
def test_tone_sandhi(phonemizer: Phonemizer, text: str, expected: str) -> None:
    assert tones(phonemizer(text, ORDER)) == expected


def test_merging_words_keeps_every_syllable(phonemizer: Phonemizer) -> None:
    draw = random.Random(1)
    chars = "不一儿个看看听了着子老虎好小走想你我也很第百上下来去们，。"
    for _ in range(300):
        text = "".join(draw.choices(chars, k=draw.randrange(1, 25)))
        phones = phonemizer(text, ORDER).split()
        marks = sum(char in "，。" for char in text)
        assert len(phones) == 2 * (len(text) - marks) + marks, text


@pytest.mark.parametrize(
    ("initial", "final", "phones"),
    [
        ("", "i1", "y i1"),
        ("", "u2", "w u2"),
        ("", "v3", "y v3"),
        ("", "ian2", "y En2"),
        ("", "ie4", "y E4"),
        ("", "iou3", "y ou3"),
        ("", "uei4", "w ei4"),
        ("", "uen2", "w en2"),
        ("", "van2", "y van2"),
        ("", "ve4", "y ve4"),
        ("", "ing2", "y ing2"),
        ("", "iong3", "y ong3"),
        ("", "a5", "AA a5"),
        ("", "o5", "OO o5"),
        ("", "ou1", "OO ou1"),
        ("", "er2", "EE er2"),
        ("z", "i4", "z i04"),
        ("zh", "i1", "zh ir1"),
        ("r", "i4", "r ir4"),
        ("j", "i1", "j i1"),
        ("l", "v4", "l v4"),
        ("j", "v1", "j v1"),
        ("g", "uei4", "g ui4"),
        ("l", "iou2", "l iu2"),
        ("d", "uen1", "d un1"),
    ],
)
def test_syllable_has_two_phones(initial: str, final: str, phones: str) -> None:
    syllable = split_syllable(initial, final)
    assert syllable == tuple(phones.split())
    assert set(phones.split()) <= PHONES["zh"]


@pytest.mark.parametrize(("initial", "final"), [("", ""), ("h", ""), ("", "i"), ("", "1"), ("", "ng4"), ("m", "m")])
def test_invalid_syllable_gives_none(initial: str, final: str) -> None:
    assert split_syllable(initial, final) is None


def test_chinese_numbers_are_normalized(phonemizer: Phonemizer) -> None:
    read_chinese = phonemizer._converters["zh"]
    for number, read in (
        ("3.5", "三点五"),
        ("50%", "百分之五十"),
        ("1/3", "三分之一"),
        ("2023年", "二零二三年"),
        ("12345678901234567", "一二三四五六七八九零一二三四五六七"),
    ):
        assert read_chinese(number) == read_chinese(read)


def test_character_without_pronunciation_is_named(phonemizer: Phonemizer) -> None:
    with pytest.raises(InvalidJob, match="'兙'") as caught:
        phonemizer("一兙", ORDER)
    assert caught.value.param == "text"


def test_jieba_writes_no_cache_and_no_output(tmp_path: Path) -> None:
    code = "from backends.fish.v0_2.text.g2p.zh import Chinese; print(*Chinese()('你好'))"
    environment = {"TMPDIR": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment
    )
    assert (result.stdout, result.stderr) == ("n i2 h ao3\n", "")
    assert list(tmp_path.iterdir()) == []


def test_wetext_is_used_if_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Normalizer:
        def normalize(self, text: str) -> str:
            return text.replace("啊", "").replace("5", "五")

    modules = {name: types.ModuleType(name) for name in ("tn", "tn.chinese", "tn.chinese.normalizer")}
    modules["tn.chinese.normalizer"].Normalizer = Normalizer  # type: ignore[attr-defined]
    modules["tn"].__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    logging.getLogger("wetext").setLevel(logging.INFO)
    assert Chinese()("5啊") == ["w", "u3"]
    assert logging.getLogger("wetext").level == logging.WARNING
    assert ja.EXTRA != zh.EXTRA
