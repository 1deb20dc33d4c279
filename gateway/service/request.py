"""Requests in the form that all APIs share, and their validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
)

from gateway.audio.formats import FORMATS, get_format
from gateway.engine.fair_queue import Priority
from gateway.errors import InvalidRequest
from gateway.text.language_tags import language_tag
from gateway.text.normalize.rules import CATEGORIES
from gateway.voices.store import MAX_TRANSCRIPT_CHARS

MAX_SEED = 2**32 - 1
MIN_SPEED, MAX_SPEED = 0.25, 4.0
MAX_OPTION_VALUES = 1000  # schema validation takes microseconds per value
MAX_OPTION_DEPTH = 32

M = TypeVar("M", bound=BaseModel)

Name = Annotated[str, Field(min_length=1, max_length=128)]


def _tag(value: Any) -> Any:
    return language_tag(value) if isinstance(value, str) else value


def _format_name(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return get_format(value).name
    except InvalidRequest as error:
        raise ValueError(error.message) from None


# A name in any of the ways that clients write it, as a BCP 47 tag; None if it is not given, which "auto" means too.
Language = Annotated[str | None, BeforeValidator(_tag)]
# A name or alias of a format in any case, as the name in FORMATS.
FormatName = Annotated[str, BeforeValidator(_format_name), WithJsonSchema({"type": "string", "enum": list(FORMATS)})]

_LANGUAGE = "the language as a BCP 47 tag (en, zh-CN) or a name (English, Deutsch); auto: as if absent"
_FORMAT = (
    "opus in Ogg, aac as ADTS, pcm 16-bit little-endian, m4a AAC in MP4, webm Opus in WebM, mulaw and alaw G.711 at "
    "8 kHz without a header, mulaw_wav and alaw_wav in WAV; in any case, and also by other names, such as ogg"
)


class VoiceSpec(BaseModel):
    """A request without its text: engine, voice, options and output format.

    Unknown fields are errors. The synthesizer checks the limits that depend on settings or on the engine.
    ``reference_audio`` is the bytes of an audio file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Name | None = Field(None, description="a configured engine's name; default: the setting default_engine")
    voice: Name | None = Field(None, description="a built-in voice of the engine, or a stored voice's id or name")
    reference_audio: bytes | None = Field(
        None, description="a clip of the voice to clone: base64 or a data URL in JSON, a file in multipart forms"
    )
    reference_text: Annotated[str, Field(max_length=MAX_TRANSCRIPT_CHARS)] | None = Field(
        None, description="transcript of reference_audio"
    )
    language: Language = Field(None, description=_LANGUAGE)
    speed: float = Field(1.0, ge=MIN_SPEED, le=MAX_SPEED, description="1 is the voice's natural speed, 2 twice as fast")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="the same seed gives the same bytes; default: random")
    format: FormatName = Field("wav", description=_FORMAT)
    sample_rate: int | None = Field(
        None, description="in Hz; default: the engine's, or the nearest that the format supports"
    )
    bitrate: int | None = Field(
        None,
        ge=6,
        le=320,
        description="in kbit/s, for mp3, opus, aac, m4a and webm: the nearest supported at the sample rate",
    )
    volume: float = Field(
        0.0, ge=-20.0, le=20.0, allow_inf_nan=False, description="in dB; samples beyond full scale are clipped"
    )
    stream: bool = Field(False, description="send audio while it is generated")
    normalize: bool | dict[str, bool] = Field(
        True, description="speak numbers, dates, signs … as words; or false, or an object that turns categories off"
    )
    ssml: bool | None = Field(None, description="whether the text is SSML; default: if it starts with <speak")
    lexicons: list[Name] | None = Field(
        None, description="names of pronunciation dictionaries; default: those of the setting lexicons.default"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="engine-specific; schema in GET /v1/engines")

    @field_validator("normalize")
    @classmethod
    def _categories_exist(cls, normalize: bool | dict[str, bool]) -> bool | dict[str, bool]:
        for name in normalize if isinstance(normalize, dict) else ():
            if name not in CATEGORIES:
                raise ValueError(f"unknown category {name!r}: must be one of {', '.join(CATEGORIES)}")
        return normalize

    @field_validator("options")
    @classmethod
    def _options_fit(cls, options: dict[str, Any]) -> dict[str, Any]:
        if (values := _count(options)) > MAX_OPTION_VALUES:
            raise ValueError(f"has {values} values: the limit is {MAX_OPTION_VALUES}")
        for key, value in options.items():
            if not _fits(value):
                raise ValueError(f"{key} has an integer over 64 bits, or is nested over {MAX_OPTION_DEPTH} levels deep")
        return options


class SpeechRequest(VoiceSpec):
    """A text to speak, with the voice to speak it."""

    text: str = Field(min_length=1, description="the text to speak; limited by limits.text_chars and the engine")
    priority: Priority = Field("interactive", description="batch: wait until no interactive request waits")

    @field_validator("text")
    @classmethod
    def _text_has_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("has only white space")
        return text


def parse(model: type[M], fields: dict[str, Any], strict: bool = False) -> M:
    """Validate fields as a model.

    :param strict: refuse ``"1"`` and ``true`` as numbers.
    :raises InvalidRequest: naming the field.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise invalid_request(error, known=list(model.model_fields)) from None


def _fits(value: Any, depth: int = MAX_OPTION_DEPTH) -> bool:
    """Whether a JSON value can be sent to a worker as MessagePack, whose integers have 64 bits."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_fits(item, depth - 1) for item in items)
    return not isinstance(value, int) or -(2**63) <= value < 2**64


def _count(value: Any, depth: int = MAX_OPTION_DEPTH) -> int:
    """Number of values in a JSON value, down to a depth."""
    if not isinstance(value, dict | list) or not depth:
        return 1
    items = value.values() if isinstance(value, dict) else value
    return sum(_count(item, depth - 1) for item in items)


class _HasErrors(Protocol):
    """The common interface of pydantic's and FastAPI's validation errors."""

    def errors(self) -> Sequence[Any]:
        """One mapping per error."""
        ...


def invalid_request(error: _HasErrors, known: Sequence[str] = ()) -> InvalidRequest:
    """Convert the first error of a validation to one that names the field.

    :param known: the valid fields, listed if the error is an unknown field.
    """
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown field" + (f"; fields are: {', '.join(known)}" if known else "")
    return InvalidRequest(message, param=param or None)
