"""Bodies and answers of APIs whose servers ignore what they do not know: here the answer names what was ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import Request
from pydantic import BaseModel

from gateway.api.common.body import decode_json, media_type, off_loop
from gateway.errors import BadRequest, GatewayError, InvalidRequest, UnsupportedMedia
from gateway.service.request import parse

M = TypeVar("M", bound=BaseModel)


async def read(request: Request, model: type[M]) -> tuple[M, list[str]]:
    """A request's JSON body, and the names of fields in it that mean nothing here. Null is as good as absent.

    :raises BadRequest: it is no JSON.
    :raises UnsupportedMedia: it says that it is something else.
    :raises InvalidRequest: naming the field.
    """
    body = await request.body()
    if not body:
        return parse(model, {}), []
    kind = media_type(request)
    if kind not in ("", "application/json") and not kind.endswith("+json"):
        raise UnsupportedMedia(f"content type {kind!r}: send application/json")
    return await off_loop(_read, body, model)


def _read(body: bytes, model: type[M]) -> tuple[M, list[str]]:
    try:
        fields = decode_json(body)
    except InvalidRequest as error:
        raise BadRequest(error.message) from None
    if not isinstance(fields, dict):
        raise InvalidRequest("the body must be a JSON object")
    return parse(model, _without_nulls(fields)), _unknown(model, fields)


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """A body's JSON schema as OpenAPI shows it, with nested ones in their places."""
    top = model.model_json_schema()
    nested = top.pop("$defs", {})
    for name, field in top["properties"].items():
        if "$ref" in field:
            top["properties"][name] = nested[field["$ref"].rsplit("/", 1)[1]]
    return top


def ignored(names: Sequence[str]) -> dict[str, str]:
    """The header that tells which fields of a request meant nothing."""
    return {"X-Voxgate-Ignored": quote(", ".join(names)[:500], safe=" ,.")} if names else {}


@contextmanager
def renamed(names: Mapping[str, str | None]) -> Iterator[None]:
    """Errors name the fields of another API, and options of an engine by their own names.

    :param names: what the gateway calls a field, and what that API does; None: it has no such field.
    """
    try:
        yield
    except GatewayError as error:
        param = (error.param or "").removeprefix("options.")
        error.param = names.get(param, param) or None
        raise


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    """Of a body and the blocks in it; what is nested deeper is as it is."""
    blocks = ((name, _given(value) if isinstance(value, dict) else value) for name, value in fields.items())
    return {name: value for name, value in blocks if value is not None}


def _given(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None}


def _unknown(model: type[BaseModel], fields: dict[str, Any], prefix: str = "") -> list[str]:
    unknown = []
    for name, value in fields.items():
        field = model.model_fields.get(name)
        if field is None:
            unknown.append(prefix + name)
        elif isinstance(value, dict) and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            unknown += _unknown(field.annotation, value, f"{prefix}{name}.")
    return unknown
