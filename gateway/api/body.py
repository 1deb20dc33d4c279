"""Reads a request's fields from wherever they stand: query string, JSON object, multipart form."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from gateway.errors import InvalidRequest, UnsupportedMedia

_DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*(;[\w=.+-]+)*;base64,", re.ASCII)
_MAX_FORM_FIELDS = 32
_JSON_FIELDS = frozenset({"options"})  # the fields of a form that hold a JSON object


async def read_fields(request: Request) -> dict[str, Any]:
    """All fields of a request; text for those of forms and the query string.

    :raises UnsupportedMedia: for a content type other than JSON and forms.
    :raises InvalidRequest: for what cannot be read, and for a field that has two different values.
    """
    content_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if content_type in ("application/json", ""):
        fields = _json_object(await request.body())
    elif content_type == "multipart/form-data":
        fields = await _form(request)
    else:
        raise UnsupportedMedia(
            f"content type {content_type!r}: send application/json or multipart/form-data "
            "(with curl: -H 'content-type: application/json')"
        )
    for name, value in request.query_params.multi_items():
        if name in fields and str(fields[name]).lower() != value.lower():
            raise InvalidRequest(f"given twice, as {fields[name]!r} and as {value!r}", param=name)
        fields[name] = value
    return fields


def decode_base64(value: str, param: str) -> bytes:
    """Bytes from base64 or a ``data:…;base64,`` URL.

    :raises InvalidRequest: when it is neither.
    """
    if match := _DATA_URL.match(value):
        value = value[match.end() :]
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("neither base64 nor a data URL with base64", param=param) from None


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("the body must be a JSON object")
    return fields


async def _form(request: Request) -> dict[str, Any]:
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
            else:
                fields[name] = _json_field(name, value) if name in _JSON_FIELDS else value
    finally:
        await form.close()
    return fields


def _json_field(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"must be a JSON object: {error}", param=name) from None
