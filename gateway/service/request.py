"""What is asked of the gateway, whatever API it came through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.errors import InvalidRequest
from gateway.voices.store import LANGUAGE_TAG, MAX_TRANSCRIPT_CHARS

MAX_SEED = 2**32 - 1
MAX_OPTION_VALUES = 1000  # the schema they are checked against takes microseconds for each
MAX_OPTION_DEPTH = 32

M = TypeVar("M", bound=BaseModel)

Name = Annotated[str, Field(min_length=1, max_length=128)]
Language = Annotated[str, Field(pattern=f"^{LANGUAGE_TAG.pattern}$")]


class VoiceSpec(BaseModel):
    """Everything a request asks for except its text: engine, voice, options and output format.

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
        None, description="what is said in reference_audio"
    )
    language: Language | None = Field(None, description="the text's language as a BCP 47 tag, e.g. en or zh-CN")
    speed: float = Field(1.0, ge=0.25, le=4.0, description="1 is the voice's own pace, 2 twice as fast")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="same seed, same bytes; drawn at random if absent")
    format: Name = Field("wav", description="wav, mp3, flac, opus (in Ogg), aac (ADTS) or pcm (16-bit little-endian)")
    sample_rate: int | None = Field(None, description="in Hz; default: the engine's, or the next the format can hold")
    bitrate: int | None = Field(
        None, ge=6, le=320, description="in kbit/s, of mp3, opus and aac: the nearest there is at the sample rate"
    )
    volume: float = Field(
        0.0, ge=-20.0, le=20.0, allow_inf_nan=False, description="in dB; what gets too loud for the format is clipped"
    )
    stream: bool = Field(False, description="send audio while it is being made")
    options: dict[str, Any] = Field(default_factory=dict, description="engine-specific; schema in GET /v1/engines")

    @field_validator("options")
    @classmethod
    def _options_fit(cls, options: dict[str, Any]) -> dict[str, Any]:
        if (values := _count(options)) > MAX_OPTION_VALUES:
            raise ValueError(f"has {values} values in it, over {MAX_OPTION_VALUES}")
        for key, value in options.items():
            if not _fits(value):
                raise ValueError(f"{key} holds a number of more than 64 bits, or is nested too deeply")
        return options


class SpeechRequest(VoiceSpec):
    """One text to speak, and how."""

    text: str = Field(min_length=1, description="what to say; as long as limits.text_chars and the engine allow")

    @field_validator("text")
    @classmethod
    def _text_has_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("there is nothing but white space in it")
        return text


def parse(model: type[M], fields: dict[str, Any], strict: bool = False) -> M:
    """Check fields against a model.

    :param strict: ``"1"`` or ``true`` is no number.
    :raises InvalidRequest: naming the field.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise invalid_request(error, known=list(model.model_fields)) from None


def _fits(value: Any, depth: int = MAX_OPTION_DEPTH) -> bool:
    """Whether a JSON value can cross to a worker, where integers have 64 bits."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_fits(one, depth - 1) for one in inner)
    return not isinstance(value, int) or -(2**63) <= value < 2**64


def _count(value: Any, depth: int = MAX_OPTION_DEPTH) -> int:
    """How many values there are in a JSON value, down to some depth."""
    if not isinstance(value, dict | list) or not depth:
        return 1
    inner = value.values() if isinstance(value, dict) else value
    return sum(_count(one, depth - 1) for one in inner)


class _Complaints(Protocol):
    """What pydantic's and FastAPI's validation errors have in common."""

    def errors(self) -> Sequence[Any]:
        """One mapping per complaint."""
        ...


def invalid_request(error: _Complaints, known: Sequence[str] = ()) -> InvalidRequest:
    """The first complaint of a validation as an error that names the field.

    :param known: the fields there are, listed when the complaint is about an unknown one.
    """
    complaint = error.errors()[0]
    param = ".".join(str(part) for part in complaint["loc"] if part not in ("body", "query", "path"))
    message = str(complaint["msg"]).removeprefix("Value error, ")
    if complaint["type"] == "extra_forbidden":
        message = "unknown field" + (f"; fields are: {', '.join(known)}" if known else "")
    return InvalidRequest(message, param=param or None)
