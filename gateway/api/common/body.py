"""Request bodies: JSON, forms and plain text, read within limits, as a model or as raw fields."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import string
import sys
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import Annotated, Any, TypeVar

from fastapi import Request
from msgspec import Raw
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from gateway.api.common.decoding import JSON
from gateway.errors import InvalidRequest, UnsupportedMedia
from gateway.service.request import invalid_request, parse
from gateway.text.fields import ANSWER_FIELDS, with_plain_text

# Files of forms stay in memory, as other bodies do, so that a full disk does not refuse them.
MultiPartParser.spool_max_size = sys.maxsize

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

Form = dict[str, list[str | bytes]]
"""Fields of a form; a field may occur several times. Files are their bytes."""

ANSWER_TYPE = "application/vnd.voxgate.response+json"
"""The content type of a body that is a language model's response as a whole."""
SMALL_BYTES = 64 * 2**10  # parsed faster than a thread starts

# A media type may have quotes, and Chrome's `codecs=vp8,opus` has a comma: only `;base64,` ends it.
_DATA_URL = re.compile(r"\s{0,16}data:.{0,256}?;\s{0,16}base64\s{0,16},", re.ASCII | re.IGNORECASE | re.DOTALL)
_PERCENT_ENCODED = {"%2B": "+", "%2F": "/", "%3D": "=", "%0A": "", "%0D": "", "%20": ""}
_PLAIN = str.maketrans("-_", "+/", string.whitespace)  # both alphabets; whitespace removed
_MAX_FORM_FIELDS = 32
_JSON_FIELDS = frozenset({"options"})  # form fields that hold a JSON object
_MAYBE_JSON = frozenset({"normalize", "lexicons"})  # fields of forms and query strings that may be JSON or plain text


async def read(
    request: Request,
    model: type[M],
    file: str | None = None,
    plain: str | None = None,
    further: Mapping[str, str] | None = None,
    whole_answer: bool = False,
) -> M:
    """Read a request's body and query string as a model; unknown fields are errors.

    Types are strict in JSON; text in forms and query strings is converted. A model with a field ``markdown`` accepts a
    language model's response as its ``text``; see :mod:`gateway.text.fields`.

    :param file: the field that holds a file, if any: base64 or a data URL in JSON, an upload in forms.
    :param plain: the field that a ``text/plain`` body fills; None: such bodies are refused.
    :param further: fields from elsewhere in the request, as text.
    :param whole_answer: whether a body of type ``ANSWER_TYPE`` is accepted.
    :raises UnsupportedMedia: if the content type is not supported.
    :raises InvalidRequest: naming the field that is invalid, unknown or given twice.
    """
    content_type = media_type(request)
    answers = "markdown" in model.model_fields
    if request.method in ("GET", "HEAD"):
        fields: dict[str, Any] = {}
    elif content_type in ("application/json", ""):
        decode = partial(_json_fields, known=model.model_fields, raw=ANSWER_FIELDS if answers else (), file=file)
        fields = await off_loop(decode, await request.body())
    elif content_type == ANSWER_TYPE and whole_answer:
        fields = {"text": Raw(await request.body())}
    elif content_type == "multipart/form-data":
        fields = _converted_form(model, await read_form(request, max_files=1, max_fields=_MAX_FORM_FIELDS))
    elif content_type == "text/plain" and plain:
        fields = {plain: _plain_text(request, await request.body(), plain)}
    else:
        raise UnsupportedMedia(
            f"content type {content_type!r}: send {'text/plain, ' if plain else ''}application/json or "
            "multipart/form-data (with curl: -H 'content-type: application/json')"
        )
    for name, value in [*request.query_params.multi_items(), *(further or {}).items()]:
        if name in fields:
            raise InvalidRequest("given twice: send it once, in the query string or in the body", param=name)
        if name == file or name in _JSON_FIELDS:
            raise InvalidRequest("must be sent in the body, not in the query string", param=name)
        fields[name] = _converted(model, name, value)
    if answers and (fields.get("markdown") or any(isinstance(fields.get(name), Raw) for name in ANSWER_FIELDS)):
        # In a thread: parsing a language model's response can take milliseconds.
        fields = await asyncio.to_thread(with_plain_text, fields)
    return parse(model, fields, strict=True)


async def read_form(request: Request, max_files: int, max_fields: int) -> Form:
    """Read all fields of a form.

    :raises InvalidRequest: if it is malformed or has too many fields or files.
    """
    try:
        form = await request.form(max_files=max_files, max_fields=max_fields)
    except (MultiPartException, HTTPException) as error:
        raise InvalidRequest(f"invalid form: {getattr(error, 'detail', error)}") from None
    fields: Form = {}
    try:
        for name, value in form.multi_items():
            fields.setdefault(name, []).append(await value.read() if isinstance(value, UploadFile) else value)
    finally:
        await form.close()
    return fields


def single(form: Form, name: str) -> str | bytes:
    """The value of a field that may occur only once.

    :raises InvalidRequest: if it occurs several times.
    """
    if len(form[name]) > 1:
        raise InvalidRequest("given more than once", param=name)
    return form[name][0]


def decode_base64(value: str, param: str) -> bytes:
    """Decode base64, standard or URL-safe, or a ``data:…;base64,`` URL, whose base64 may be percent-encoded.

    The URL of a file is returned as it is.

    :raises InvalidRequest: if it is neither.
    """
    if value[:8].lower().startswith(("https://", "http://")):
        return value.encode("utf-8", "replace")  # ClipReader downloads it, if the settings allow that
    if match := _DATA_URL.match(value):
        value = value[match.end() :]
        if "%" in value:
            # Not unquote(): it would split megabytes into millions of strings.
            for encoded, plain in _PERCENT_ENCODED.items():
                value = value.replace(encoded, plain).replace(encoded.lower(), plain)
    try:
        return base64.b64decode(value.translate(_PLAIN), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("invalid base64: send base64 or a data URL with base64", param=param) from None


def media_type(request: Request) -> str:
    """The request's content type without parameters; empty if it has none."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


async def off_loop(work: Callable[[bytes], T], body: bytes) -> T:
    """Call ``work(body)``; in a thread if the body is large, so that the event loop is not blocked."""
    return await asyncio.to_thread(work, body) if len(body) > SMALL_BYTES else work(body)


def _json_fields(body: bytes, known: Collection[str], raw: Collection[str], file: str | None) -> dict[str, Any]:
    if not body:
        return {}
    fields = JSON.values(JSON.fields(body), known, raw)
    if file and isinstance(encoded := fields.get(file), str):
        fields[file] = decode_base64(encoded, file)
    return {name: value for name, value in fields.items() if value is not None}  # null means absent


def _plain_text(request: Request, body: bytes, name: str) -> str:
    parameters = request.headers.get("content-type", "").lower().partition(";")[2]
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    if charset and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMedia(f"unsupported charset {charset[1]!r}: send UTF-8")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}", param=name) from None


def _converted_form(model: type[BaseModel], form: Form) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in form:
        value = single(form, name)
        if isinstance(value, bytes):
            fields[name] = value
        else:
            fields[name] = _json_field(name, value) if name in _JSON_FIELDS else _converted(model, name, value)
    return fields


def _json_field(name: str, value: str) -> Any:
    return JSON.values({name: Raw(value.strip().encode())}, known=(name,))[name]


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _converted(model: type[BaseModel], name: str, text: str) -> Any:
    """Text converted to the field's type; unknown fields are left for the model to refuse."""
    if name not in model.model_fields:
        return text
    if bytes in (model.model_fields[name].annotation, *getattr(model.model_fields[name].annotation, "__args__", ())):
        return decode_base64(text, name)
    if name == "lexicons" and not text.startswith("["):
        return text.split(",")
    if name in _MAYBE_JSON and text[:1] in ("{", "["):
        return _json_field(name, text)
    try:
        return _adapter(model, name).validate_strings(text)
    except ValidationError as error:
        raise InvalidRequest(invalid_request(error).message, param=name) from None
