"""The OpenAPI document: request bodies of routes that read them themselves, and the errors of every route."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.routing import BaseRoute

from gateway.api.common.errors import Problem
from gateway.api.common.route import DialectRoute
from gateway.audio.formats import FORMATS

JSON = "application/json"
FORM = "multipart/form-data"
MSGPACK = "application/msgpack"
BYTES = "application/octet-stream"


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


def success(description: str, *media_types: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation whose successful response has one of these media types."""
    return {status: {"description": description, "content": {media_type: {} for media_type in media_types}}}


def audio(description: str, *further: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation that sends audio.

    :param further: media types of its other responses.
    """
    return success(description, *dict.fromkeys(fmt.media_type for fmt in FORMATS.values()), *further)


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


def document_errors(app: FastAPI) -> None:
    """Let the OpenAPI document have the errors of every :class:`DialectRoute`, in the envelope of its dialect."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(make(), app.routes)
        return make()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], routes: Iterable[BaseRoute]) -> None:
    schemas = document["components"]["schemas"]
    for route in routes:
        if isinstance(route, DialectRoute) and route.include_in_schema:
            schemas[_error_name(route)] = _schema(
                *(route.envelope(Problem(500, "", "", param, "")) for param in ("", None))
            )
            for method in route.methods or ():
                _add_errors(document["paths"][route.path_format][method.lower()], route, method)
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, of all routes with parameters
        schemas.pop(unused, None)


def _add_errors(operation: dict[str, Any], route: DialectRoute, method: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{_error_name(route)}"}}}
    for status, descriptions in sorted(route.errors(method).items()):
        responses[str(status)] = {"description": " ".join(descriptions), "content": content}
        if status in (429, 503):
            responses[str(status)]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}


def _error_name(route: DialectRoute) -> str:
    return f"{type(route).__name__.removesuffix('Route').removeprefix('Dialect')}Error"


_TYPES = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def _schema(*values: Any) -> dict[str, Any]:
    """The JSON schema of values that differ in nothing but their types."""
    if isinstance(values[0], Mapping):
        properties = {name: _schema(*(value[name] for value in values)) for name in values[0]}
        return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    types = [_TYPES[kind] for kind in dict.fromkeys(map(type, values))]
    return {"type": types if len(types) > 1 else types[0]}
