"""Request bodies of the Fish Audio API.

Names, types and defaults are those of ``fish-audio-sdk`` and of Fish-Speech's own server. Defaults are documentation
only: fields that a request omits are left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Request
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.api.common import body
from gateway.api.common.body import Form, decode_base64, media_type, off_loop, single
from gateway.api.common.decoding import JSON, MESSAGEPACK, Encoding
from gateway.api.common.ignored_fields import malformed_is_bad_request, refuse_clips
from gateway.errors import InvalidRequest, UnsupportedMedia
from gateway.service.request import FormatName, parse
from gateway.voices.store import MAX_TRANSCRIPT_CHARS

MSGPACK_TYPES = frozenset({"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})
FORM_TYPES = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
MAX_REFERENCES = 16
MAX_FORM_FIELDS = 64

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReferenceBody(_Body):
    """A recording of a voice."""

    audio: bytes = Field(description="an audio file; base64 in JSON")
    text: str = Field("", max_length=MAX_TRANSCRIPT_CHARS, description="the words spoken in it")

    @field_validator("audio", mode="before")
    @classmethod
    def _from_base64(cls, audio: object) -> object:
        return decode_base64(audio, "references.audio") if isinstance(audio, str) else audio


class ProsodyBody(_Body):
    """Speed and volume."""

    speed: float = Field(1.0, ge=0.25, le=4.0)
    volume: _Finite = Field(0.0, ge=-20.0, le=20.0, description="in dB")


class FishTtsBody(_Body):
    """A text to speak."""

    text: str = ""
    references: tuple[ReferenceBody, ...] = Field(
        (), max_length=MAX_REFERENCES, description="one recording of the voice to clone"
    )
    reference_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="a voice: stored, built-in, or an alias"
    )
    format: FormatName = Field("wav", description="as in /tts")
    sample_rate: int | None = Field(None, description="in Hz; default: the engine's")
    mp3_bitrate: int = Field(128, ge=8, le=320, description="in kbit/s")
    opus_bitrate: int = Field(
        32,
        ge=-1000,
        le=256_000,
        description="in kbit/s up to 256, or in bit/s from 1000; 0 or less: chosen for the sample rate",
    )
    normalize: bool = Field(True, description="speak numbers, dates, signs … as words")
    latency: Literal["low", "normal", "balanced"] = Field(
        "balanced", description="normal: do not shorten the first text chunk for an early start"
    )
    streaming: bool | None = Field(None, description="default: true, except for wav")
    prosody: ProsodyBody = Field(default_factory=ProsodyBody)
    chunk_length: int = Field(200, ge=0, description="bytes of UTF-8")
    top_p: _Finite = Field(0.7, ge=0, le=1)
    temperature: _Finite = Field(0.7, ge=0)
    repetition_penalty: _Finite = Field(1.2, ge=0)
    max_new_tokens: int = Field(1024, ge=0)
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None

    @field_validator("opus_bitrate")
    @classmethod
    def _in_kbit_s(cls, given: int) -> int:
        if 256 < given < 1000:
            raise ValueError("must be at most 256 kbit/s; from 1000 the value is in bit/s")
        return given // 1000 if given >= 1000 else given

    @field_validator("reference_id", mode="before")
    @classmethod
    def _one_voice(cls, given: object) -> object:
        if not isinstance(given, list):
            return given
        if len(given) > 1:
            raise ValueError("several voices are not supported: give one id")
        return given[0] if given else None

    def given(self, *names: str) -> dict[str, Any]:
        """The named fields that the request contains, with their values."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


def tts_body(fields: dict[str, Any], encoding: Encoding = JSON) -> tuple[FishTtsBody, list[str]]:
    """Validate the fields of a body; return it with the names of unknown fields. Null and empty mean absent.

    :param encoding: that of ``references``, if they are raw.
    :raises InvalidRequest: naming the field.
    """
    if isinstance(references := fields.get("references"), Raw):
        fields = {**fields, "references": list(_references(references, encoding))}
    fields = {name: value for name, value in _without_nulls(fields).items() if value != ""}
    unknown = [name for name in fields if name not in FishTtsBody.model_fields]
    refuse_clips({name: fields[name] for name in unknown}, "references")
    prosody = fields.get("prosody")
    if isinstance(prosody, dict):
        unknown += [f"prosody.{name}" for name in prosody if name not in ProsodyBody.model_fields]
    return parse(FishTtsBody, fields), unknown


def tts_fields(encoding: Encoding, fields: dict[str, Raw]) -> dict[str, Any]:
    """Decode the fields of a body for :func:`tts_body`."""
    return encoding.values(fields, FishTtsBody.model_fields, raw=("references",))


def _references(data: Raw, encoding: Encoding) -> Iterator[dict[str, Any]]:
    for index, item in enumerate(encoding.items(data, "references")):
        fields = encoding.fields(item, param=f"references.{index}")
        yield encoding.values(fields, known=())  # a reference has no lists and no objects


async def read_tts(request: Request) -> tuple[FishTtsBody, list[str]]:
    """Read a request's body; return it with the names of unknown fields.

    :raises GatewayError: see :func:`read_fields` and :func:`tts_body`.
    """
    if media_type(request) in FORM_TYPES:
        return tts_body(_fields_of_form(await read_form(request)))
    return await off_loop(partial(_tts_body, _encoding(request)), await request.body())


def _tts_body(encoding: Encoding, data: bytes) -> tuple[FishTtsBody, list[str]]:
    with malformed_is_bad_request():
        fields = tts_fields(encoding, _raw_fields(encoding, data))
    return tts_body(fields, encoding)


async def read_fields(request: Request) -> tuple[dict[str, Any], Encoding]:
    """Read the fields of a MessagePack or JSON body, or of a form without repeated fields; also return the encoding.

    Lists and objects stay raw.

    :raises BadRequest: if the body cannot be parsed.
    :raises UnsupportedMedia: if its content type is not supported.
    """
    if media_type(request) in FORM_TYPES:
        form = await read_form(request)
        return {name: single(form, name) for name in form}, JSON
    encoding = _encoding(request)
    return await off_loop(partial(_fields, encoding), await request.body()), encoding


def _fields(encoding: Encoding, data: bytes) -> dict[str, Any]:
    with malformed_is_bad_request():
        return encoding.values(_raw_fields(encoding, data), known=())


def _raw_fields(encoding: Encoding, data: bytes) -> dict[str, Raw]:
    return encoding.fields(data) if data or encoding is MESSAGEPACK else {}


def _encoding(request: Request) -> Encoding:
    kind = media_type(request)
    if kind in MSGPACK_TYPES:
        return MESSAGEPACK
    if kind in ("", "application/json") or kind.endswith("+json"):
        return JSON
    raise UnsupportedMedia(f"content type {kind!r}: send application/msgpack, application/json or a form")


async def read_form(request: Request) -> Form:
    """Read all fields of a form.

    :raises BadRequest: if it is malformed or has too many fields or files.
    """
    with malformed_is_bad_request():
        return await body.read_form(request, max_files=MAX_REFERENCES, max_fields=MAX_FORM_FIELDS)


def _fields_of_form(form: Form) -> dict[str, Any]:
    """Pair files in ``references`` with texts in ``reference_text`` by order; decode nested fields from JSON."""
    texts = form.pop("reference_text", [])
    audios = form.get("references", [])
    fields: dict[str, Any] = {}
    if any(isinstance(audio, bytes) for audio in audios):
        del form["references"]
        padded = [*texts, *[""] * len(audios)]
        fields["references"] = [{"audio": audio, "text": text} for audio, text in zip(audios, padded, strict=False)]
    elif texts:
        raise InvalidRequest("requires files in references", param="reference_text")
    for name in form:
        value = single(form, name)
        fields[name] = _nested(name, value) if name in ("references", "prosody") else value
    return fields


def _nested(name: str, value: str | bytes) -> Any:
    data = Raw(value.strip().encode() if isinstance(value, str) else value.strip())
    try:
        return tts_fields(JSON, {name: data})[name]
    except InvalidRequest:
        raise InvalidRequest("must be JSON in a form", param=name) from None


def _without_nulls(value: Any, depth: int = 3) -> Any:
    """Drop nulls, down to the fields of a reference; deeper values are unknown fields."""
    if isinstance(value, dict) and depth:
        return {name: _without_nulls(inner, depth - 1) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner, depth - 1) for inner in value] if isinstance(value, list) and depth else value
