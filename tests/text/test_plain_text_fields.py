"""Requests whose text is a language model's response."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, model_validator
from support.bedrock_responses import CLAUDE, CONVERSE, CONVERSE_STREAM, SPOKEN, WHOLE, chunked

from gateway.errors import InvalidRequest
from gateway.service.request import SpeechRequest, parse
from gateway.text.bedrock.answers import MAX_CHARS
from gateway.text.fields import with_plain_text

OWN = [*SpeechRequest.model_fields, "markdown"]
MARKDOWN = {"generation": "# Hi\n\n- **one**\n- two"}


@pytest.mark.parametrize("response", [*WHOLE.values(), CONVERSE_STREAM, chunked(CONVERSE_STREAM)])
def test_text_can_be_a_response(response: Any) -> None:
    fields = {"text": response, "voice": "lisa"}
    assert with_plain_text(fields, OWN) == {"text": SPOKEN, "voice": "lisa"}
    assert fields["text"] is response


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"responses"}))
def test_response_keys_can_be_among_the_fields(name: str) -> None:
    fields = {"ResponseMetadata": {}, **WHOLE[name], "voice": "lisa", "amazon-bedrock-trace": {}}
    assert with_plain_text(fields, OWN) == {"text": SPOKEN, "voice": "lisa"}
    assert with_plain_text({**fields, "text": None}, OWN) == {"text": SPOKEN, "voice": "lisa"}


def test_openai_response_among_the_fields_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        with_plain_text(WHOLE["responses"], OWN)


def test_plain_fields_are_not_changed() -> None:
    for fields in ({"text": "**a**", "voice": "b"}, {}, {"text": 7}, {"voice": "b"}, {"text": "a", "output": "wav"}):
        assert with_plain_text(fields, OWN) == fields


def test_unknown_field_is_named() -> None:
    with pytest.raises(InvalidRequest, match="unknown field") as wrong:
        with_plain_text({**CONVERSE, "voise": "lisa"}, OWN)
    assert wrong.value.param == "voise"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"text": MARKDOWN}, "Hi.\n\none.\ntwo."),
        ({"text": MARKDOWN, "markdown": True}, "Hi.\n\none.\ntwo."),
        ({**MARKDOWN, "markdown": None}, "Hi.\n\none.\ntwo."),
        ({"text": MARKDOWN, "markdown": False}, MARKDOWN["generation"]),
        ({"text": "**a**", "markdown": True}, "a."),
        ({"text": "**a**", "markdown": False}, "**a**"),
    ],
)
def test_markdown_defaults_to_true_for_responses_only(fields: dict[str, Any], text: str) -> None:
    assert with_plain_text(fields, OWN)["text"] == text


def test_markdown_field_is_removed_after_conversion() -> None:
    assert with_plain_text({"text": "**a**", "markdown": True}, OWN) == {"text": "a."}


@pytest.mark.parametrize("text", ["```\ncode\n```", "😀", {"generation": "😀"}])
def test_markdown_without_speakable_text_is_refused(text: Any) -> None:
    with pytest.raises(InvalidRequest, match="has no speakable text") as wrong:
        with_plain_text({"text": text, "markdown": True}, OWN)
    assert wrong.value.param == "text"


def test_too_long_markdown_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the limit for Markdown is"):
        with_plain_text({"text": "a" * (MAX_CHARS + 1), "markdown": True}, OWN)


def test_markdown_must_be_a_boolean() -> None:
    for text in ("a", {"generation": "a"}):
        with pytest.raises(InvalidRequest) as caught:
            with_plain_text({"text": text, "markdown": "yes"}, OWN)
        assert caught.value.param == "markdown"


class RequestModel(BaseModel):
    """The intended use in a pydantic model of a request."""

    model_config = ConfigDict(extra="forbid")

    text: str
    voice: str | None = None
    markdown: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _text_is_plain(cls, fields: Any) -> Any:
        return with_plain_text(fields, cls.model_fields) if isinstance(fields, dict) else fields


def test_use_in_a_pydantic_model() -> None:
    assert parse(RequestModel, {"text": CLAUDE, "voice": "lisa"}, strict=True) == RequestModel(
        text=SPOKEN, voice="lisa"
    )
    assert parse(RequestModel, {**CLAUDE, "voice": "lisa"}).text == SPOKEN
    with pytest.raises(InvalidRequest) as wrong:
        parse(RequestModel, {"text": {"output": {"message": {"content": [7]}}}})
    assert wrong.value.param == "text.output.message.content.0"
    with pytest.raises(InvalidRequest) as wrong:
        parse(RequestModel, {"text": "a", "markdown": "yes"}, strict=True)
    assert wrong.value.param == "markdown"
