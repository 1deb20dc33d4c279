"""The phonemizer: parity with the official front end, caching, missing packages, hostile text."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import pytest
from support.fish import GOLDEN

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.phonemizer import MAX_CACHED_CHARS, Phonemizer, PhoneSpan

ORDER = ("zh", "jp", "en")
ENGLISH_FIRST = ("en", "zh", "jp")


def test_phones_equal_those_of_the_official_front_end(phonemizer: Phonemizer) -> None:
    rows = json.loads((GOLDEN / "phones.json").read_text(encoding="utf-8"))
    assert len(rows) == 116
    spelled = [(text, phonemizer(text, tuple(order.split(",")))) for text, order, _ in rows]
    assert spelled == [(text, phones) for text, _, phones in rows]


def test_phones_of_a_greeting(phonemizer: Phonemizer) -> None:
    assert phonemizer("你好。", ORDER) == "<p:n> <p:i2> <p:h> <p:ao3> ."
    assert phonemizer("Hello!", ORDER) == "<p:HH> <p:AH0> <p:L> <p:OW1> !"
    assert phonemizer("こんにちは", ORDER) == "<p:k> <p:o> <p:N> <p:n> <p:i> <p:ch> <p:i> <p:w> <p:a>"


def test_random_text_is_converted_or_rejected(phonemizer: Phonemizer) -> None:
    draw = random.Random(2)
    pools = [(0x4E00, 0x9FFF), (0x4E00, 0x9FA5), (0x3041, 0x30FF), (0x20, 0x7E), (0x30, 0x39), (0x31F0, 0x31FF)]
    spelled = 0
    for _ in range(400):
        pool = draw.choices(pools, k=3)
        text = "".join(chr(draw.randrange(*draw.choice(pool))) for _ in range(draw.randrange(1, 12)))
        try:
            phonemizer(text, draw.choice([ORDER, ENGLISH_FIRST, ("jp", "zh", "en")]))
        except InvalidJob as error:
            assert error.param == "text", text  # noqa: PT017 - most texts are spelled
        else:
            spelled += 1
    assert spelled > 300


@pytest.mark.parametrize(
    ("text", "package", "extra", "subtag"),
    [
        ("你好", "cn2an", "fish-zh", "zh"),
        ("こん", "pyopenjtalk-plus", "fish-ja", "ja"),
    ],
)
def test_missing_package_is_named(hidden: pytest.MonkeyPatch, text: str, package: str, extra: str, subtag: str) -> None:
    phonemizer = Phonemizer()
    with pytest.raises(InvalidJob, match=rf"{package}.*voxgate\[{extra}\]") as caught:
        phonemizer(text, ORDER)
    assert (caught.value.param, caught.value.needs_languages) == ("text", (subtag,))
    with pytest.raises(LoadError, match=package):
        phonemizer.warm_up({"ja": "jp"}.get(subtag, subtag))


class FakeConverter:
    def __init__(self, *phones: str):
        self.phones = list(phones)
        self.read: list[str] = []

    def warm_up(self) -> None:
        self.read.append("")

    def __call__(self, text: str) -> list[str]:
        self.read.append(text)
        return self.phones


def test_each_language_has_its_converter_and_texts_are_cached() -> None:
    converter = FakeConverter("n", "i3", ",", "SP")
    phonemizer = Phonemizer({"zh": converter})
    assert phonemizer("你好", ORDER) == phonemizer("你好", ORDER) == "<p:n> <p:i3> , SP"
    assert converter.read == ["你好"]
    long = "你" * (MAX_CACHED_CHARS + 1)
    phonemizer(long, ORDER)
    phonemizer(long, ORDER)
    assert converter.read[1:] == [long, long]
    assert phonemizer.spans("你<p:AH0>", ORDER) == [
        PhoneSpan("zh", "你", ("n", "i3", ",", "SP")),
        PhoneSpan(None, "AH0", ("AH0",)),
    ]


def test_unknown_phones_are_rejected() -> None:
    with pytest.raises(InvalidJob, match=r"'AH0'.*'你好'"):
        Phonemizer({"zh": FakeConverter("n", "AH0")})("你好", ORDER)
    with pytest.raises(InvalidJob, match=r"<p:x9>"):
        Phonemizer({})("<p:x9>", ORDER)
    with pytest.raises(InvalidJob, match="en"):
        Phonemizer({"zh": FakeConverter()})("hello", ORDER)
    assert Phonemizer({})("<p:i3><p:,><p:_>", ORDER) == "<p:i3> , _"


def test_long_text_takes_linear_time(phonemizer: Phonemizer) -> None:
    texts = {
        "zh": "突然，身边一阵笑声。我看着他们，意气风发地挺直了胸膛，2023年轻笑道：我身上的肉！",
        "en": "I don't really care what you call me. I've been watching 12 species evolve, empires rise and fall. ",
        "jp": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    }
    for language, text in texts.items():
        started_s = time.perf_counter()
        phones = phonemizer((text * 600)[:50_000], (language, *ORDER))
        assert len(phones.split()) > 20_000
        assert time.perf_counter() - started_s < 30


@pytest.mark.parametrize("unit", ["1", "1,", "1.", "1/", "1-", "!", "'", "st1"])
def test_hostile_text_takes_linear_time(phonemizer: Phonemizer, unit: str) -> None:
    text = (unit * 5000)[:5000]
    for order in (ORDER, ENGLISH_FIRST):
        started_s = time.perf_counter()
        assert phonemizer(text, order)
        assert time.perf_counter() - started_s < 20


def test_import_loads_no_optional_package() -> None:
    names = ("torch", "jieba", "pypinyin", "cn2an", "pyopenjtalk", "g2p_en", "nltk", "transformers", "tokenizers")
    code = f"import sys, backends.fish.v0_2.text.prompt; print(*[name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
