"""Request fields whose text may be a language model's response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS, spoken_text

ANSWER_FIELDS = ("text", "response")
"""The fields that may hold a response. A string in ``response`` selects the form of the gateway's own response."""


def with_plain_text(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a language model's response in the fields of a request by its plain text.

    The response, or the list of a stream's events, is raw JSON in ``text`` or in ``response``. ``markdown`` selects
    conversion from Markdown to speakable text: by default it applies to responses and not to strings. It is removed
    from the fields after the conversion. Other fields are not changed.

    :raises InvalidRequest: if the response has an unknown format or no text, there are a response and a text, or
        ``markdown`` is not a boolean.
    """
    fields = dict(fields)
    markdown = fields.get("markdown")
    if not (markdown is None or isinstance(markdown, bool)):
        raise InvalidRequest("must be true or false", param="markdown")
    answers = [name for name in ANSWER_FIELDS if isinstance(fields.get(name), Raw)]
    if answers:
        name = answers[-1]
        if name != "text" and fields.get("text") is not None:
            raise InvalidRequest("a model's response cannot be combined with text: send one of them", param=name)
        text = spoken_text(memoryview(fields.pop(name)), name)
        markdown = markdown is not False
    elif isinstance(fields.get("text"), str) and markdown:
        text = fields["text"]
    else:
        return fields
    fields.pop("markdown", None)
    fields["text"] = _speakable(text) if markdown else text
    return fields


def _speakable(text: str) -> str:
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"has {len(text):,} characters: the limit for Markdown is {MAX_CHARS:,}", param="text")
    from gateway.text.markdown import speakable  # imports a parser, which most requests do not need

    spoken = speakable(text)
    if text.strip() and not spoken:
        raise InvalidRequest("has no speakable text, only code, images or symbols", param="text")
    return spoken
