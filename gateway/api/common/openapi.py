"""Request bodies in the OpenAPI document, for routes that read their bodies themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

JSON = "application/json"
FORM = "multipart/form-data"
MSGPACK = "application/msgpack"


def request_body(
    schema: Mapping[str, Any],
    media_types: Iterable[str] = (JSON,),
    *,
    required: bool = True,
    examples: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``requestBody`` of an operation, the same schema for every media type.

    :param examples: named examples, shown with JSON.
    """
    content: dict[str, dict[str, Any]] = {media_type: {"schema": schema} for media_type in media_types}
    if examples:
        content[JSON]["examples"] = examples
    return {"requestBody": {"required": required, "content": content}}


def model_schema(model: type[BaseModel], *, binary: Iterable[str] = (), by_alias: bool = True) -> dict[str, Any]:
    """The JSON schema of a model, nested models inlined.

    :param binary: fields that are uploaded as files.
    """
    schema = model.model_json_schema(by_alias=by_alias)
    nested = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        if "$ref" in field:
            schema["properties"][name] = nested[field["$ref"].rsplit("/", 1)[1]]
    for name in binary:
        schema["properties"][name]["format"] = "binary"
    return schema


def text_schema(*names: str, binary: Iterable[str] = (), required: Iterable[str] | None = None) -> dict[str, Any]:
    """The JSON schema of an object of text fields.

    :param binary: fields that are uploaded as files.
    :param required: default: all.
    """
    properties = {name: {"type": "string", **({"format": "binary"} if name in binary else {})} for name in names}
    return {"type": "object", "properties": properties, "required": list(names if required is None else required)}
