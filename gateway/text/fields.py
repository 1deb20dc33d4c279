"""Request fields whose text may be a language model's response."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS, is_response, spoken_text

# Known keys of responses, so that a misspelled request field is not mistaken for one of them.
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
    """Replace a language model's response in the fields of a request by its plain text.

    The response, or the list of a stream's events, may be the value of ``text``; or the response's keys may be among
    the request's fields. ``markdown`` selects conversion from Markdown to speakable text: by default it applies to
    responses and not to strings. It is removed from the fields after the conversion. Other fields are not changed.

    :param own: the names of the request's fields.
    :raises InvalidRequest: if the response has an unknown format or no text, a field is unknown, or ``markdown`` is not
        a boolean.
    """
    fields = dict(fields)
    markdown = fields.get("markdown")
    if not (markdown is None or isinstance(markdown, bool)):
        raise InvalidRequest("must be true or false", param="markdown")
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
                "unknown field; if it belongs to a model's response, send the response in `text`", param=name
            )
    return response


def _speakable(text: str) -> str:
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"has {len(text):,} characters: the limit for Markdown is {MAX_CHARS:,}", param="text")
    from gateway.text.markdown import speakable  # imports a parser, which most requests do not need

    spoken = speakable(text)
    if text.strip() and not spoken:
        raise InvalidRequest("has no speakable text, only code, images or symbols", param="text")
    return spoken
