"""Unknown fields of compatibility APIs: ignored, and listed in the response header ``X-Voxgate-Ignored``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import Request
from msgspec import Raw
from pydantic import BaseModel

from gateway.api.common.body import media_type, off_loop
from gateway.api.common.decoding import JSON_OR_400
from gateway.errors import BadRequest, GatewayError, InvalidRequest, UnsupportedMedia
from gateway.service.request import parse

M = TypeVar("M", bound=BaseModel)

# Words in the names of fields that carry a recording, such as speaker_wav, promptAudio and voice_clone.
_WORD = re.compile(r"b64|base64|[A-Z]?[a-z]+|[A-Z]+")
_WHOLE_NAMES = frozenset({"reference", "references"})
_OWNER = frozenset({"ref", "reference", "prompt", "speaker", "voice", "clone", "cloning", "sample", "target", "emo"})
_RECORDING = frozenset(
    {
        "audio",
        "wav",
        "wave",
        "clip",
        "clone",
        "sample",
        "speech",
        "recording",
        "file",
        "embedding",
        "token",
        "b64",
        "base64",
    }
)
_PROPERTY = frozenset({"format", "type", "mime", "rate", "name", "id", "text", "language", "duration", "setting"})
# A data URL, or the base64 of the first bytes of WAV, Ogg, FLAC, WebM, and MP3 with tags.
_CLIP = re.compile(r"\s{0,16}((?i:data:(?:audio|video)/)|UklGR|T2dnUw|ZkxhQ|GkXfo|SUQz)")


async def read(request: Request, model: type[M], clip: str | None = None) -> tuple[M, list[str]]:
    """Read a JSON body as a model; return it with the names of unknown fields. Null means absent.

    :param clip: see :func:`refuse_clips`; None: the request has no recording.
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
    return await off_loop(partial(_read, model=model, clip=clip), body)


def _read(body: bytes, model: type[M], clip: str | None) -> tuple[M, list[str]]:
    fields = JSON_OR_400.values(JSON_OR_400.fields(body), known=model.model_fields)
    unknown = _unknown(model, fields)
    if clip:
        refuse_clips({name: fields[name] for name in unknown if name in fields}, clip)
    return parse(model, _without_nulls(fields)), unknown


def refuse_clips(unknown: Mapping[str, Any], clip: str, names: Collection[str] = ()) -> None:
    """Check that no unknown field carries a recording: without it, another voice would speak.

    :param unknown: fields that would be ignored.
    :param clip: the field for recordings, to name in the error.
    :param names: further names of fields that carry recordings.
    :raises InvalidRequest: naming the field.
    """
    for name, value in unknown.items():
        if not (isinstance(value, (str, bytes)) and value) and not _is_filled(value):
            continue
        if name in names or _names_clip(name) or _is_clip(value):
            raise InvalidRequest(
                f"a recording in this field would not be used: send one recording, in {clip}", param=name
            )


def _names_clip(name: str) -> bool:
    if name.lower() in _WHOLE_NAMES:
        return True
    words = {word.lower().removesuffix("s") for word in _WORD.findall(name[:100])}
    owners, recordings = words & _OWNER, words & _RECORDING
    return bool(owners and recordings and len(owners | recordings) > 1) and not words & _PROPERTY


def _is_filled(value: Any) -> bool:
    """Whether a value is a list or an object with content."""
    return isinstance(value, Raw) and memoryview(value).nbytes > len("[]")


def _is_clip(value: Any) -> bool:
    return isinstance(value, bytes) or (isinstance(value, str) and _CLIP.match(value) is not None)


@contextmanager
def malformed_is_bad_request() -> Iterator[None]:
    """Turn parse errors into status 400, as the servers of these APIs do."""
    try:
        yield
    except InvalidRequest as error:
        raise BadRequest(error.message, param=error.param) from None


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
