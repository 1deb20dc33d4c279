"""The text stage as a whole: order of its steps, offsets, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.base import Capabilities
from backends.text import Alphabet
from gateway.engine.fake import FAKE_CAPABILITIES
from gateway.errors import InvalidRequest
from gateway.text.lexicon import Lexicon
from gateway.text.sections import Passage, Pause
from gateway.text.stage import TextOptions, prepare, select_categories

LETTERS = replace(FAKE_CAPABILITIES, alphabet=Alphabet(("LATIN",)))


def spoken(text: str, options: TextOptions | None = None, capabilities: Capabilities = LETTERS) -> str:
    return prepare(text, options or TextOptions(), capabilities).spoken_text


def test_plain_text_is_spoken_as_written() -> None:
    prepared = prepare("Hello there, and good morning.", TextOptions(), LETTERS)
    assert prepared.spoken_text == "Hello there, and good morning."
    assert (prepared.changes, prepared.refused, prepared.ignored) == ((), (), ())


def test_span_of_each_spoken_word_is_the_written_text() -> None:
    text = "He paid $5 for 3 pears."
    [passage] = prepare(text, TextOptions(), LETTERS).passages
    words = passage.text.text
    for word, written in [("five dollars", "$5"), ("three", "3"), ("pears", "pears"), ("paid", "paid")]:
        start = words.index(word)
        first, last = passage.text.span(start, start + len(word))
        assert text[first:last] == written


def test_changes_name_place_and_category() -> None:
    text = "I have 3 apples."
    [change] = prepare(text, TextOptions(), LETTERS).changes
    assert (text[change.start : change.end], change.spoken, change.category) == ("3", "three", "cardinal")


def test_normalize_false_leaves_digits_which_are_refused() -> None:
    prepared = prepare("I have 3 apples.", TextOptions(categories=select_categories(False)), LETTERS)
    assert [(refusal.char, refusal.position) for refusal in prepared.refused] == [("3", 7)]


def test_category_that_is_turned_off_is_left_as_written() -> None:
    with_digits = replace(LETTERS, alphabet=Alphabet(("LATIN",), "0123456789"))
    options = TextOptions(categories=select_categories({"cardinal": False}))
    assert spoken("I have 3 apples.", options, with_digits) == "I have 3 apples."


def test_date_stays_whole_if_dates_are_turned_off() -> None:
    with_digits = replace(LETTERS, alphabet=Alphabet(("LATIN",), "0123456789"))
    options = TextOptions(categories=select_categories({"date": False}))
    assert spoken("On 2024-05-17 I had 3 apples.", options, with_digits) == "On 2024-05-17 I had three apples."


def test_category_that_the_engine_normalizes_is_left_to_it() -> None:
    own = replace(FAKE_CAPABILITIES, normalizes=("cardinal",))
    assert spoken("I have 3 apples.", capabilities=own) == "I have 3 apples."


def test_refused_characters_are_found_with_their_places_in_the_input() -> None:
    prepared = prepare("He paid $5 for the word 你好.", TextOptions(), LETTERS)
    assert [(refusal.char, refusal.position) for refusal in prepared.refused] == [("你", 24), ("好", 25)]


def test_engine_without_an_alphabet_gets_every_character() -> None:
    assert spoken("你好, ꙮ", capabilities=FAKE_CAPABILITIES) == "你好, ꙮ"


def test_markup_of_the_engine_is_neither_normalized_nor_refused() -> None:
    fish = replace(LETTERS, alphabet=Alphabet(("LATIN",), "", r"</?[a-z]+>|<p:[^<>]*>"))
    assert spoken("<en>Hello 3</en> <p:i3>", capabilities=fish) == "<en>Hello three</en> <p:i3>"


def test_dictionary_takes_precedence_over_the_normalizer() -> None:
    lexicon = Lexicon("names", "en", (), {"GPT-4": "jee pee tee four"})
    options = TextOptions(lexicons=(lexicon,))
    assert spoken("I asked GPT-4 for 2 jokes.", options) == "I asked jee pee tee four for two jokes."


def test_pause_divides_the_text() -> None:
    sections = prepare("Wait. [pause:1.5s] Now!", TextOptions(), LETTERS).sections
    assert [section.text.text if isinstance(section, Passage) else section for section in sections] == [
        "Wait.",
        Pause(1.5, 6),
        "Now!",
    ]


@pytest.mark.parametrize("text", ["…", "!?", "***", "🙂"])
def test_text_without_anything_to_speak_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="nothing to speak"):
        prepare(text, TextOptions(), LETTERS)


def test_ssml_is_detected_at_the_start_only() -> None:
    prepared = prepare('<speak>Hello <break time="500ms"/> world.</speak>', TextOptions(), LETTERS)
    assert prepared.spoken_text == "Hello world."
    with pytest.raises(InvalidRequest, match="break"):
        prepare('Hello <break time="500ms"/> world.', TextOptions(), LETTERS)
