"""Texts that remember where in the input their characters come from."""

from __future__ import annotations

import time

import pytest

from gateway.text.mapped_text import Edit, MappedText


def sources(text: MappedText, source: str) -> list[str]:
    """The part of the input that each character was made from."""
    return [source[start:end] for start, end in zip(text.starts, text.ends, strict=True)]


class TestOf:
    def test_characters_map_to_themselves(self) -> None:
        text = MappedText.of("né😀")
        assert sources(text, "né😀") == ["n", "é", "😀"]

    def test_start_is_added_to_every_position(self) -> None:
        assert MappedText.of("cd", start=2).span(0, 2) == (2, 4)

    def test_empty_text_has_no_positions(self) -> None:
        assert len(MappedText.of("")) == len(MappedText.of("").starts) == 0


class TestApply:
    def test_replacement_maps_to_all_that_it_replaces(self) -> None:
        source = "It is $5 now"
        text = MappedText.of(source).apply([Edit(6, 8, "five dollars", "currency")])
        assert text.text == "It is five dollars now"
        assert set(sources(text, source)[6:18]) == {"$5"}
        assert sources(text, source)[18:] == [" ", "n", "o", "w"]

    def test_no_edits_return_the_same_text(self) -> None:
        text = MappedText.of("abc")
        assert text.apply([]) is text

    def test_empty_replacement_drops_the_text(self) -> None:
        text = MappedText.of("won\u00adder").apply([Edit(3, 4, "", "cleanup")])
        assert text.text == "wonder"
        assert text.span(2, 4) == (2, 5)

    @pytest.mark.parametrize(("edit", "expected"), [(Edit(0, 1, "xy", "c"), "xybc"), (Edit(2, 3, "z", "c"), "abz")])
    def test_edits_at_the_ends_keep_the_rest(self, edit: Edit, expected: str) -> None:
        assert MappedText.of("abc").apply([edit]).text == expected

    def test_insertion_has_an_empty_span_at_its_place(self) -> None:
        text = MappedText.of("ab").apply([Edit(1, 1, "-", "c")])
        assert text.text == "a-b"
        assert text.span(1, 2) == (1, 1)

    def test_second_round_of_edits_maps_to_the_first_input(self) -> None:
        source = "ＡＢ 5％!"
        first = MappedText.of(source).apply([Edit(0, 2, "AB", "cleanup"), Edit(4, 5, "%", "cleanup")])
        second = first.apply([Edit(3, 5, "five percent", "percent")])
        assert second.text == "AB five percent!"
        assert source[slice(*second.span(3, 15))] == "5％"
        assert source[slice(*second.span(0, 1))] == "ＡＢ"
        assert source[slice(*second.span(15, 16))] == "!"

    def test_adjacent_edits_do_not_mix(self) -> None:
        text = MappedText.of("abcd").apply([Edit(0, 2, "x", "c"), Edit(2, 4, "yz", "c")])
        assert text.text == "xyz"
        assert [text.span(index, index + 1) for index in range(3)] == [(0, 2), (2, 4), (2, 4)]

    def test_ten_thousand_edits_take_less_than_a_second(self) -> None:
        source = "5 " * 10_000
        started = time.process_time()
        text = MappedText.of(source).apply([Edit(at, at + 1, "five", "cardinal") for at in range(0, len(source), 2)])
        assert time.process_time() - started < 5
        assert text.text == "five " * 10_000


class TestSpan:
    def test_empty_span_is_at_its_start(self) -> None:
        text = MappedText.of("abc", start=10)
        assert text.span(1, 1) == (11, 11)
        assert text.span(3, 3) == (13, 13)

    def test_span_of_an_empty_text_is_zero(self) -> None:
        assert MappedText.of("").span(0, 0) == (0, 0)

    def test_span_covers_everything_that_its_characters_were_made_from(self) -> None:
        text = MappedText.of("a12b").apply([Edit(1, 3, "xyz", "c")])
        assert text.span(0, 2) == (0, 3)
        assert text.span(3, 5) == (1, 4)


class TestSlice:
    def test_slice_keeps_positions(self) -> None:
        assert MappedText.of("abcdef").slice(2, 4).span(0, 2) == (2, 4)

    @pytest.mark.parametrize(
        ("source", "text", "span"), [("  ab \n", "ab", (2, 4)), ("ab", "ab", (0, 2)), ("　ab", "ab", (1, 3))]
    )
    def test_strip_keeps_positions(self, source: str, text: str, span: tuple[int, int]) -> None:
        stripped = MappedText.of(source).strip()
        assert stripped.text == text
        assert stripped.span(0, 2) == span

    @pytest.mark.parametrize("source", ["", " ", " \n\t "])
    def test_white_space_strips_to_nothing(self, source: str) -> None:
        stripped = MappedText.of(source).strip()
        assert (stripped.text, len(stripped.starts)) == ("", 0)


class TestJoin:
    def test_join_of_parts_is_the_whole(self) -> None:
        text = MappedText.of("abcdef")
        joined = MappedText.join([text.slice(0, 2), text.slice(2, 2), text.slice(2, 6)])
        assert joined.text == "abcdef"
        assert joined.starts.tolist() == text.starts.tolist()
        assert joined.ends.tolist() == text.ends.tolist()

    def test_join_of_nothing_is_empty(self) -> None:
        assert MappedText.join([]).text == ""
