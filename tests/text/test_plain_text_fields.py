"""Requests whose text is a language model's response."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, json
from support.bedrock_responses import CONVERSE_STREAM, SPOKEN, WHOLE, chunked

from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS
from gateway.text.fields import with_plain_text

MARKDOWN = {"generation": "# Hi\n\n- **one**\n- two"}


def raw(value: Any) -> Raw:
    return Raw(json.encode(value))


@pytest.mark.parametrize("name", ["text", "response"])
@pytest.mark.parametrize("response", [*WHOLE.values(), CONVERSE_STREAM, chunked(CONVERSE_STREAM)])
def test_response_becomes_the_text(name: str, response: Any) -> None:
    fields = {name: raw(response), "voice": "lisa"}
    assert with_plain_text(fields) == {"text": SPOKEN, "voice": "lisa"}
    assert isinstance(fields[name], Raw)


def test_plain_fields_are_not_changed() -> None:
    for fields in (
        {"text": "**a**", "voice": "b"},
        {},
        {"text": 7},
        {"voice": "b"},
        {"text": "a", "response": "base64"},
    ):
        assert with_plain_text(fields) == fields


def test_response_beside_a_text_is_refused() -> None:
    for text in ("a", raw({"generation": "a"})):
        with pytest.raises(InvalidRequest, match="cannot be combined with text") as wrong:
            with_plain_text({"text": text, "response": raw({"generation": "a"})})
        assert wrong.value.param == "response"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"text": raw(MARKDOWN)}, "Hi.\n\none.\ntwo."),
        ({"text": raw(MARKDOWN), "markdown": True}, "Hi.\n\none.\ntwo."),
        ({"response": raw(MARKDOWN), "markdown": None}, "Hi.\n\none.\ntwo."),
        ({"text": raw(MARKDOWN), "markdown": False}, MARKDOWN["generation"]),
        ({"text": "**a**", "markdown": True}, "a."),
        ({"text": "**a**", "markdown": False}, "**a**"),
    ],
)
def test_markdown_defaults_to_true_for_responses_only(fields: dict[str, Any], text: str) -> None:
    assert with_plain_text(fields)["text"] == text


def test_markdown_field_is_removed_after_conversion() -> None:
    assert with_plain_text({"text": "**a**", "markdown": True}) == {"text": "a."}


@pytest.mark.parametrize("text", ["```\ncode\n```", "😀", raw({"generation": "😀"})])
def test_markdown_without_speakable_text_is_refused(text: Any) -> None:
    with pytest.raises(InvalidRequest, match="has no speakable text") as wrong:
        with_plain_text({"text": text, "markdown": True})
    assert wrong.value.param == "text"


def test_too_long_markdown_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the limit for Markdown is"):
        with_plain_text({"text": "a" * (MAX_CHARS + 1), "markdown": True})


def test_markdown_must_be_a_boolean() -> None:
    for text in ("a", raw({"generation": "a"})):
        with pytest.raises(InvalidRequest) as caught:
            with_plain_text({"text": text, "markdown": "yes"})
        assert caught.value.param == "markdown"
