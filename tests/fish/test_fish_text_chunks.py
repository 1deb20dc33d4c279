"""Splitting: chunks end at pauses, cover the text, and are pronounced as in the whole text."""

from __future__ import annotations

import random
import re
import time
from itertools import pairwise

import pytest

from backends.common import split
from backends.fish.v0_2.text.chunks import chunk_texts, has_speech, split_text

ENGLISH = (
    "It was a dark night. The rain fell in torrents, except at intervals, when it was checked by a gust of wind! "
    "Was it cold? “Yes.” It cost 3.50 dollars; 1,200 people came."
)
CHINESE = "突然，身边一阵笑声。我看着他们，意气风发地挺直了胸膛，轻笑道：“好！”我身上的肉，是为了掩饰我爆棚的魅力？！"
MIXED = "你好，world. This is 混合 text，with both。\n再见！ Goodbye; 完。<jp>東京。大阪、京都。</jp>And <p:i3> so on"
UNMARKED = "one two three four five six seven eight nine ten " * 20
UNSPACED = "一二三四五六七八九十" * 40
TEXTS = [ENGLISH, CHINESE, MIXED, UNMARKED, UNSPACED, "a" * 500, "e\u0301" * 100, "  x.  y.  "]
ORDER = ("zh", "jp", "en")


def chunks(text: str, max_bytes: int) -> list[str]:
    return [text[start:end] for start, end in split_text(text, max_bytes)]


def size(text: str) -> int:
    return len(re.sub(r"\s+", " ", text.strip()).encode())


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("max_bytes", [20, 31, 60, 200, 1000])
def test_chunks_cover_the_text_and_keep_the_limit(text: str, max_bytes: int) -> None:
    spans = split_text(text, max_bytes)
    edges = [0, *(end for _, end in spans)]
    assert spans == list(pairwise(edges))
    assert edges[-1] == len(text)
    assert all(has_speech(text[start:end]) for start, end in spans)
    # closing punctuation may exceed the limit
    assert all(size(text[start:end].rstrip("？！。”")) <= max_bytes for start, end in spans)


def test_sentence_that_fits_is_not_split() -> None:
    assert chunks(ENGLISH, 1000) == [ENGLISH]
    assert chunks(ENGLISH, 150) == [ENGLISH[:128], ENGLISH[128:]]
    assert [chunk.strip() for chunk in chunks(ENGLISH, 90)] == [
        "It was a dark night.",
        "The rain fell in torrents, except at intervals, when it was checked by a gust of wind!",
        "Was it cold? “Yes.” It cost 3.50 dollars; 1,200 people came.",
    ]
    assert chunks(CHINESE, 80) == [
        "突然，身边一阵笑声。",
        "我看着他们，意气风发地挺直了胸膛，轻笑道：“好！”",
        "我身上的肉，是为了掩饰我爆棚的魅力？！",
    ]


def test_long_sentence_is_split_at_clauses_then_spaces_then_anywhere() -> None:
    assert chunks(ENGLISH, 60)[1] == "The rain fell in torrents, except at intervals, "
    words = set(UNMARKED.split())
    assert all(set(chunk.split()) <= words for chunk in chunks(UNMARKED, 50))
    assert min(len(chunk) for chunk in chunks(UNMARKED, 50)[:-1]) > 25
    assert {len(chunk) for chunk in chunks(UNSPACED, 60)} == {20}
    assert not any(chunk.startswith("\u0301") for chunk in chunks("e\u0301" * 100, 31))


def test_new_line_ends_a_sentence() -> None:
    assert chunks("Title\n\nFirst line and more\nSecond", 22) == ["Title\n\n", "First line and more\n", "Second"]


def test_markup_is_never_split() -> None:
    text = "<p:AH0><p:i3>" * 30 + "<jp>" + "東" * 40 + "</jp>"
    for max_bytes in (1, 7, 10, 33):
        for chunk in chunks(text, max_bytes):
            assert re.sub(r"</?jp>|<p:[^>]*>|東", "", chunk) == ""
    assert max(map(len, chunks("<p:AH0>" * 5, 3))) == len("<p:AH0>")


def test_text_without_speech_joins_an_adjacent_chunk() -> None:
    assert chunks("🎉🎉🎉🎉🎉🎉 Hello there. ?!?!?!?!?!?!?!?!?! Bye. …………", 20) == [
        "🎉🎉🎉🎉🎉🎉 Hello there. ?!?!?!?!?!?!?!?!?! ",
        "Bye. …………",
    ]
    for text in ("", "  ", "…", "🎉" * 100, "?!", "<jp>。</jp>", "<p:!>"):
        assert chunks(text, 10) == []
        assert not has_speech(text)
    for text in ("a", "5", "字", "カ", "<p:i3>", "<jp>字</jp>"):
        assert has_speech(text)


def test_tags_and_languages_continue_in_the_next_chunk() -> None:
    text = "<jp>東京です。大阪です。</jp>I have two. 300 more."
    spans = split_text(text, 24)
    assert chunk_texts(text, spans, ORDER) == [
        "<jp>東京です。",
        "<jp>大阪です。",
        "<jp></jp>I have two. ",
        "<en>300 more.</en>",
    ]
    assert chunk_texts("行きます。東京は広い。", [(0, 5), (5, 11)], ORDER) == ["行きます。", "<jp>東京は広い。</jp>"]
    assert chunk_texts("你好。再见。", [(0, 3), (3, 6)], ORDER) == ["你好。", "再见。"]


@pytest.mark.parametrize(
    "unit", [" ", "a", "a ", ". ", "。", "!", "\n", "<p:i3>", "<", "<jp>", "”", "。”", "e\u0301", "é", ", "]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * 50_000)[:50_000]
    started_s = time.perf_counter()
    spans = split_text(text, 200)
    chunk_texts(text, spans, ORDER)
    assert time.perf_counter() - started_s < 10


CLAUSE = re.compile(r"(?<=[,.])\s+")


def split_clauses(text: str, max_bytes: int, first_max_bytes: int | None = None, **options: int) -> list[str]:
    spans = split.split_text(
        text,
        max_bytes,
        first_max_bytes,
        pauses=(CLAUSE,),
        seams=(re.compile(r"\s+"),),
        first_min_bytes=options.get("least", 0),
    )
    return [text[start:end] for start, end in spans]


def test_splitter_packs_as_many_clauses_as_fit() -> None:
    assert split_clauses("one, two, three. four", 10) == ["one, two, ", "three. ", "four"]
    assert split_clauses("one, two, three. four", 9) == [
        "one, two, ",
        "three. ",
        "four",
    ]  # trailing space does not count
    assert split_clauses("one,    two. x", 9) == ["one,    two. ", "x"]  # repeated space counts once
    assert split_clauses("   ", 5) == split_clauses("", 5) == []
    assert split_clauses("ab" * 5, 3) == ["aba", "bab", "aba", "b"]
    assert split_clauses("日本", 1) == ["日", "本"]
    assert split_clauses("a, b, c, d", 100, 1, least=2) == ["a, b, ", "c, d"]


def test_random_text_is_covered() -> None:
    draw = random.Random(3)
    for _ in range(500):
        text = "".join(draw.choices(["one", ", ", ". ", "日", " ", "  ", "\n", "éé", "🎉"], k=draw.randrange(30)))
        max_bytes = draw.randrange(1, 30)
        spans = split.split_text(text, max_bytes, draw.choice([None, 3]), pauses=(CLAUSE,))
        assert "".join(text[start:end] for start, end in spans) == (text if text.strip() else "")
        assert all(size(text[start:end]) <= max(max_bytes, 4) for start, end in spans)
