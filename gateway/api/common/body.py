"""Reads a request's fields from wherever they stand: query string, JSON object, multipart form."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import string
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from gateway.errors import InvalidRequest, UnsupportedMedia
from gateway.service.request import invalid_request, parse
from gateway.text.fields import with_plain_text

M = TypeVar("M", bound=BaseModel)
P = TypeVar("P")
T = TypeVar("T")

MAX_COMMAS = 100_000  # the events of a model's stream have the most
SMALL_BYTES = 64 * 2**10  # is read before a thread would have begun

_DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*(;[\w=.+-]+)*;base64,", re.ASCII)
_PLAIN = str.maketrans("-_", "+/", string.whitespace)  # both alphabets, without line breaks
_MAX_FORM_FIELDS = 32
_JSON_FIELDS = frozenset({"options"})  # the fields of a form that hold a JSON object


async def read(
    request: Request, model: type[M], file: str, plain: str | None = None, further: Mapping[str, str] | None = None
) -> M:
    """All fields of a request as a model. Types are strict in JSON; text in forms and query strings is converted.

    A model with a field ``markdown`` takes a language model's answer for its ``text``, see :mod:`gateway.text.fields`.

    :param file: the field that holds a file: base64 or a data URL in JSON, an upload in forms.
    :param plain: the field that a body of plain text is, where that may be sent.
    :param further: fields that stood elsewhere in the request, as text.
    :raises UnsupportedMedia: for a content type other than JSON and forms.
    :raises InvalidRequest: naming the field that is wrong, unknown or given twice.
    """
    content_type = media_type(request)
    if content_type in ("application/json", ""):
        fields = await off_loop(_json_fields, await request.body(), file)
    elif content_type == "multipart/form-data":
        fields = await _form(request, model)
    elif content_type == "text/plain" and plain:
        fields = {plain: _plain_text(request, await request.body(), plain)}
    else:
        raise UnsupportedMedia(
            f"content type {content_type!r}: send {'text/plain, ' if plain else ''}application/json or "
            "multipart/form-data (with curl: -H 'content-type: application/json')"
        )
    for name, value in [*request.query_params.multi_items(), *(further or {}).items()]:
        if name in fields:
            raise InvalidRequest("given twice; only one place in a request may have it", param=name)
        if name == file or name in _JSON_FIELDS:
            raise InvalidRequest("belongs into the body, not into the query string", param=name)
        fields[name] = _converted(model, name, value)
    if "markdown" in model.model_fields and (fields.get("markdown") or not isinstance(fields.get("text"), str)):
        # What a language model answered may take a moment to read.
        fields = await asyncio.to_thread(with_plain_text, fields, model.model_fields)
    return parse(model, fields, strict=True)


def decode_base64(value: str, param: str) -> bytes:
    """Bytes from base64, in either alphabet, or a ``data:…;base64,`` URL.

    :raises InvalidRequest: when it is neither.
    """
    if match := _DATA_URL.match(value):
        value = value[match.end() :]
    try:
        return base64.b64decode(value.translate(_PLAIN), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("neither base64 nor a data URL with base64", param=param) from None


def decode_json(body: bytes) -> Any:
    """The JSON value in a body.

    :raises InvalidRequest: when there is none, or one of too many parts: a few megabytes would be gigabytes of objects.
    """
    if (commas := body.count(b",")) > MAX_COMMAS:
        raise InvalidRequest(f"the body has {commas} commas, more than any request needs ({MAX_COMMAS})")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None


def media_type(request: Request) -> str:
    """The body's content type without its parameters; empty when the request names none."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


async def off_loop(work: Callable[[bytes, P], T], body: bytes, argument: P) -> T:
    """``work(body, argument)``, in a thread where the body is so large that others would have to wait for it."""
    return await asyncio.to_thread(work, body, argument) if len(body) > SMALL_BYTES else work(body, argument)


def _json_fields(body: bytes, file: str) -> dict[str, Any]:
    fields = _json_object(body)
    if isinstance(encoded := fields.get(file), str):
        fields[file] = decode_base64(encoded, file)
    return fields


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    fields = decode_json(body)
    if not isinstance(fields, dict):
        raise InvalidRequest("the body must be a JSON object")
    return {name: value for name, value in fields.items() if value is not None}  # null is as good as absent


def _plain_text(request: Request, body: bytes, name: str) -> str:
    parameters = request.headers.get("content-type", "").lower().partition(";")[2]
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    if charset and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMedia(f"a text in {charset[1]}: send UTF-8")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}", param=name) from None


async def _form(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FORM_FIELDS)
    except (MultiPartException, HTTPException) as error:
        raise InvalidRequest(f"the form cannot be read: {getattr(error, 'detail', error)}") from None
    fields: dict[str, Any] = {}
    try:
        for name, value in form.multi_items():
            if name in fields:
                raise InvalidRequest("given twice", param=name)
            if isinstance(value, UploadFile):
                fields[name] = await value.read()
            elif name in _JSON_FIELDS:
                fields[name] = _json_field(name, value)
            else:
                fields[name] = _converted(model, name, value)
    finally:
        await form.close()
    return fields


def _json_field(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"must be a JSON object: {error}", param=name) from None


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _converted(model: type[BaseModel], name: str, text: str) -> Any:
    """Text as the field's type; unknown names are left for the model to refuse."""
    if name not in model.model_fields:
        return text
    if bytes in (model.model_fields[name].annotation, *getattr(model.model_fields[name].annotation, "__args__", ())):
        return decode_base64(text, name)
    try:
        return _adapter(model, name).validate_strings(text)
    except ValidationError as error:
        raise InvalidRequest(invalid_request(error).message, param=name) from None
