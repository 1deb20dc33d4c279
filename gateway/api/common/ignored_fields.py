"""Unknown fields of compatibility APIs: ignored, and listed in the response header ``X-Voxgate-Ignored``."""

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
    """Read a JSON body as a model; return it with the names of unknown fields. Null means absent.

    :raises BadRequest: if the body is not JSON.
    :raises UnsupportedMedia: if its content type is not JSON.
    :raises InvalidRequest: naming the invalid field.
    """
    body = await request.body()
    if not body:
        return parse(model, {}), []
    kind = media_type(request)
    if kind not in ("", "application/json") and not kind.endswith("+json"):
        raise UnsupportedMedia(f"content type {kind!r}: send application/json")
    return await off_loop(_read, body, model)


def _read(body: bytes, model: type[M]) -> tuple[M, list[str]]:
    with malformed_is_bad_request():
        fields = decode_json(body)
    if not isinstance(fields, dict):
        raise InvalidRequest("the body must be a JSON object")
    return parse(model, _without_nulls(fields)), _unknown(model, fields)


@contextmanager
def malformed_is_bad_request() -> Iterator[None]:
    """Turn parse errors into status 400, as the servers of these APIs do."""
    try:
        yield
    except InvalidRequest as error:
        raise BadRequest(error.message) from None


def ignored(names: Sequence[str]) -> dict[str, str]:
    """The response header that lists the ignored fields of a request."""
    return {"X-Voxgate-Ignored": quote(", ".join(names)[:500], safe=" ,.")} if names else {}


@contextmanager
def renamed(names: Mapping[str, str | None]) -> Iterator[None]:
    """Translate field names in errors to those of another API; engine options lose their prefix ``options.``.

    :param names: from the gateway's field names to the API's; None if the API has no such field.
    """
    try:
        yield
    except GatewayError as error:
        param = (error.param or "").removeprefix("options.")
        error.param = names.get(param, param) or None
        raise


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    """Drop nulls from a body and from the objects directly in it."""
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
