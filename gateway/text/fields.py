"""A request's fields, with a model's answer in place of its text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS, is_response, spoken_text

# What stands beside the text in a response, so that a misspelt field of the request is not taken for a part of it.
_RESPONSE_KEYS = frozenset(
    (
        *("output", "stopReason", "usage", "metrics", "additionalModelResponseFields", "trace", "performanceConfig"),
        *("serviceTier", "ResponseMetadata", "body", "contentType", "performanceConfigLatency"),
        *("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "container"),
        *("context_management", "inputTextTokenCount", "results", "outputs"),
        *("generation", "prompt_token_count", "generation_token_count"),
        *("object", "created", "choices", "service_tier", "system_fingerprint"),
    )
)
_RESPONSE_PREFIX = "amazon-bedrock-"


def with_plain_text(fields: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """A request's fields in which ``text`` is plain text, if there is any way to that.

    ``text`` may hold a response or the list of a stream's events instead, or the response's own keys may stand among
    the fields in its place. ``markdown`` says whether the text is Markdown, to be made speakable: by default a response
    is, and a plain string is not. It is gone from the fields once that is done.
    Other fields stay as they are, whatever their types.

    :param own: the names of the request's fields.
    :raises InvalidRequest: for a response that is of no known shape or has nothing to speak, an unknown field, or a
        ``markdown`` that is no boolean.
    """
    fields = dict(fields)
    markdown = fields.get("markdown")
    if not (markdown is None or isinstance(markdown, bool)):
        raise InvalidRequest("has to be true or false", param="markdown")
    if fields.get("text") is None and is_response(response := _without(fields, own)):
        fields = {name: value for name, value in fields.items() if name in own}
        fields["text"] = _checked(response)
    value = fields.get("text")
    if isinstance(value, (dict, list)):
        text = spoken_text(value)
        markdown = markdown is not False
    elif isinstance(value, str) and markdown:
        text = value
    else:
        return fields
    fields.pop("markdown", None)
    fields["text"] = _speakable(text) if markdown else text
    return fields


def _without(fields: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in own}


def _checked(response: dict[str, Any]) -> dict[str, Any]:
    for name in response:
        if name not in _RESPONSE_KEYS and not name.startswith(_RESPONSE_PREFIX):
            raise InvalidRequest(
                "unknown field; if it is a part of the model's response, put the response into `text`", param=name
            )
    return response


def _speakable(text: str) -> str:
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"has more than {MAX_CHARS:,} characters, too many for Markdown", param="text")
    from gateway.text.markdown import speakable  # brings a parser: not worth its time where nothing is Markdown

    spoken = speakable(text)
    if text.strip() and not spoken:
        raise InvalidRequest("nothing in it can be spoken: it is all code, pictures or marks", param="text")
    return spoken
