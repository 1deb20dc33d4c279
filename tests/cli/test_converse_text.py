"""Text of Bedrock's ConverseStream, as it can be spoken while the model writes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli.chat.converse_text import ConverseText
from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS


def delta(block: int, **content: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": block, "delta": content}}


def tool(block: int) -> dict[str, Any]:
    return {"contentBlockStart": {"contentBlockIndex": block, "start": {"toolUse": {"name": "clock"}}}}


STOP = {"messageStop": {"stopReason": "end_turn"}}


def pieces(*events: dict[str, Any]) -> list[str]:
    text = ConverseText()
    return [*map(text.add, events), text.end()]


def test_text_is_passed_on_as_it_arrives() -> None:
    events = ({"messageStart": {"role": "assistant"}}, delta(0, text="Hello, "), delta(0, text="world."), STOP)
    assert pieces(*events) == ["", "Hello,", " world.", "", ""]


@pytest.mark.parametrize(
    "between", [[delta(1, reasoningContent={"text": "hm"})], [tool(1), delta(1, toolUse={"input": "{}"})]]
)
def test_other_content_between_texts_becomes_a_blank_line(between: list[dict[str, Any]]) -> None:
    assert "".join(pieces(delta(0, text="One. "), *between, delta(2, text=" Two."))) == "One.\n\nTwo."


def test_adjacent_blocks_and_citations_do_not_divide_a_sentence() -> None:
    events = (delta(0, text="It rains "), delta(0, citation={"title": "x"}), delta(1, text="today."))
    assert "".join(pieces(*events)) == "It rains today."


def test_thoughts_between_tags_are_dropped_also_if_tags_arrive_in_pieces() -> None:
    events = (delta(0, text="<thin"), delta(0, text="king>secret</thinking>Said."))
    assert "".join(pieces(*events)) == "Said."


def test_response_without_text_names_the_stop_reason() -> None:
    with pytest.raises(InvalidRequest, match=r"no text.*'end_turn'"):
        pieces(tool(0), STOP)


def test_too_long_response_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="limit is 100,000"):
        ConverseText().add(delta(0, text="a" * (MAX_CHARS + 1)))
