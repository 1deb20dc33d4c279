from __future__ import annotations

import random

import pytest

from gateway.text.segments import Segment, Segmenter


def cut(text: str, sizes: list[int] | None = None, max_bytes: int = 300) -> list[Segment]:
    segmenter = Segmenter(max_bytes)
    segments = []
    place = 0
    for size in sizes or [len(text)]:
        segments += segmenter.feed(text[place : place + size])
        place += size
    segments += segmenter.feed(text[place:])
    return segments + segmenter.flush()


def texts(text: str, max_bytes: int = 300) -> list[str]:
    return [segment.text for segment in cut(text, max_bytes=max_bytes)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure! I can help you with that.", ["Sure! ", "I can help you with that."]),
        (
            "It depends on what you want, of course. There is more.",
            ["It depends on what you want, ", "of course. There is more."],
        ),
        (
            "Dr. Smith met Mr. J. R. Jones at 5 p.m. on Monday. Good.",
            ["Dr. Smith met Mr. J. R. Jones at 5 p.m. on Monday. ", "Good."],
        ),
        (
            "Pi is 3.14 and e.g. example.com costs 1,000.50 dollars. Yes.",
            ["Pi is 3.14 and e.g. example.com costs 1,000.50 dollars. ", "Yes."],
        ),
        ("“Stop!” he said. Then he left.", ["“Stop!” he said. ", "Then he left."]),
        ("Really?! Yes... no.", ["Really?! ", "Yes... no."]),
        ("1. Buy some milk\n2. Buy eggs", ["1. Buy some milk\n", "2. Buy eggs"]),
        ("你好，世界！今天天气很好。", ["你好，世界！", "今天天气很好。"]),
        ("他说：“好的。”然后他就走了，再也没有回来。", ["他说：“好的。”", "然后他就走了，再也没有回来。"]),
        ("यह पहला वाक्य है। यह दूसरा है।", ["यह पहला वाक्य है। ", "यह दूसरा है।"]),
        ("នេះជាប្រយោគទីមួយ។នេះជាទីពីរ។", ["នេះជាប្រយោគទីមួយ។", "នេះជាទីពីរ។"]),
        ("am 3. Oktober war es. Gut.", ["am 3. Oktober war es. ", "Gut."]),
        ("Good morning.你好，世界。", ["Good morning.", "你好，世界。"]),
        ("… 😀 *** —", []),
        ("   ", []),
        ("", []),
    ],
)
def test_segment_ends(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_mark_ends_a_segment_only_after_the_next_character() -> None:
    segmenter = Segmenter(300)
    assert segmenter.feed("It costs about 3.") == []
    assert segmenter.feed("50 dollars") == []
    assert segmenter.feed(".") == []
    assert segmenter.feed(" ") == []
    assert [segment.text for segment in segmenter.feed("N")] == ["It costs about 3.50 dollars. "]
    assert [segment.text for segment in segmenter.flush()] == ["N"]


def test_later_segments_join_short_sentences() -> None:
    first, *later = texts("Hi there. " + "One two three. " * 12)
    assert first == "Hi there. "
    assert [len(text) for text in later] == [60, 60, 60]


def test_flush_and_reset_start_a_first_segment() -> None:
    segmenter = Segmenter(300)
    assert segmenter.feed("Half a sen") == []
    assert segmenter.flush() == [Segment(0, "Half a sen")]
    assert segmenter.feed("Hm. And then") == [Segment(10, "Hm. ")]
    segmenter.reset()
    assert segmenter.position == 22
    assert segmenter.flush() == []
    assert segmenter.feed("Oh! Well") == [Segment(22, "Oh! ")]


def test_long_text_is_cut_at_clauses_then_words() -> None:
    words = "word " * 100
    assert [text.strip().count(" ") + 1 for text in texts(words, max_bytes=100)] == [20] * 5
    clause = "So it goes on, " + "and " * 10 + "on: " + "x" * 90 + " "
    assert texts("Well. " + clause * 2, max_bytes=100)[1] == "So it goes on, " + "and " * 10 + "on: "
    assert [len(text) for text in texts("x" * 250, max_bytes=100)] == [100, 100, 50]
    accents = texts("e\u0301" * 100, max_bytes=100)
    assert all(not text.startswith("\u0301") for text in accents)
    stacks = texts("e" + ("\u0301" * 20 + "e") * 30, max_bytes=100)
    assert all(text.startswith("e") for text in stacks)
    assert len(texts("ab" + "\u0301" * 100, max_bytes=100)[0]) == 51  # too many combining characters for one letter


def test_long_runs_of_combining_characters_take_linear_time() -> None:
    looked_at = 0

    class Counting(Segmenter):
        def _step(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return super()._step()

    segmenter = Counting(300)
    assert segmenter.feed("\u0301" * 2000) == []
    (segment,) = segmenter.feed("a. ") + segmenter.flush()
    assert segment.text.endswith("\u0301a. ")
    assert looked_at <= 2 * 2003


@pytest.mark.parametrize("max_bytes", [100, 300])
def test_segments_do_not_depend_on_the_division_of_the_text(max_bytes: int) -> None:
    rng = random.Random(5)
    pieces = [
        "Hello",
        " ",
        ". ",
        ", ",
        "3.5",
        "Dr. ",
        "? ",
        "\n",
        "你好",
        "。",
        "，",
        "” ",
        "(",
        "e.g. ",
        "…",
        "a" * 40,
        "U.S. ",
        "!",
        " — ",
    ]
    for _ in range(60):
        text = "".join(rng.choice(pieces) for _ in range(120))
        whole = cut(text, max_bytes=max_bytes)
        assert cut(text, [1] * len(text), max_bytes) == whole
        assert cut(text, [rng.randint(1, 30) for _ in range(20)], max_bytes) == whole
        assert all(len(segment.text.strip().encode()) <= max_bytes for segment in whole)
        spoken = "".join(segment.text for segment in whole)
        assert [char for char in spoken if char.isalnum()] == [char for char in text if char.isalnum()]
        assert all(segment.text == text[segment.start : segment.end] for segment in whole)


def test_endless_text_without_speech_is_not_kept() -> None:
    segmenter = Segmenter(100)
    for _ in range(100):
        assert segmenter.feed(" \n...!" * 100) == []
    assert segmenter.position == 60_000
    assert len(segmenter._text) <= 200


def latin_only(char: str) -> bool:
    return char.isascii()


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi. Да. How are you?", ["Hi. ", "Да. ", "How are you?"]),
        (
            "One is here. Two is there. I like ж a lot. Bye now. See you.",
            ["One is here. ", "Two is there. ", "I like ж a lot. ", "Bye now. See you."],
        ),
        ("So it is. 你好。 Then it was.", ["So it is. ", "你好。 ", "Then it was."]),
        ("There is ж in here and no end", ["There is ж in here and no end"]),
    ],
)
def test_sentence_with_an_unspeakable_letter_is_a_segment_of_its_own(text: str, expected: list[str], size: int) -> None:
    segmenter = Segmenter(300, latin_only)
    segments = [one for at in range(0, len(text), size) for one in segmenter.feed(text[at : at + size])]
    assert [segment.text for segment in segments + segmenter.flush()] == expected
