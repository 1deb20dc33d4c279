"""Request bodies of the OpenAI API, with Voxgate's extensions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from gateway.api.common.body import decode_base64
from gateway.service.request import FormatName, SpeechRequest, parse

PCM_RATE_HZ = 24_000  # the rate that clients assume for OpenAI's headerless audio
MAX_NAME_CHARS = 128
MAX_INSTRUCTIONS_CHARS = 4_096

CLIP_ALIASES = {"ref_audio": "reference_audio", "ref_text": "reference_text"}  # names of vLLM-Omni

_VOICE_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    ]
}


def _voice_name(value: Any) -> Any:
    """The voice's name; OpenAI names custom voices by an object with an ``id``."""
    if not isinstance(value, dict):
        return value
    if not isinstance(name := value.get("id"), str):
        raise ValueError("must be a voice's name, or an object with its id")
    return name


_Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]
_Voice = Annotated[_Name, BeforeValidator(_voice_name), WithJsonSchema(_VOICE_SCHEMA)]


class SpeechBody(BaseModel):
    """A text to speak. Unknown fields are ignored and reported, because clients add fields of other servers."""

    model_config = ConfigDict(frozen=True)

    input: str = Field(description="the text to speak; limited by limits.text_chars and the engine")
    model: _Name | None = Field(None, description="an engine's name or an alias; default: the setting default_engine")
    voice: _Voice | None = Field(
        None, description="a built-in voice, a stored voice's id or name, or an alias; default: the engine's first"
    )
    response_format: FormatName = Field("mp3", description="as format in /tts; pcm always has 24 kHz")
    speed: float = Field(1.0, ge=0.25, le=4.0)
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARS)] | None = Field(
        None, description="speaking style, for engines with an option `instructions`"
    )
    stream_format: Literal["audio", "sse"] = Field("audio", description="audio bytes, or server-sent events")
    stream: bool = Field(True, description="extension: false sends the file once it is complete")
    sample_rate: int | None = Field(None, description="extension: as in /tts")
    seed: int | None = Field(None, description="extension: as in /tts")
    language: str | None = Field(None, description="extension: as in /tts")
    reference_audio: str | None = Field(None, description="extension: as in /tts, base64 or a data URL")
    ref_audio: str | None = Field(None, description="extension: another name of reference_audio")
    reference_text: str | None = Field(None, description="extension: as in /tts")
    ref_text: str | None = Field(None, description="extension: another name of reference_text")
    normalize: bool | dict[str, bool] = Field(True, description="extension: as in /tts")
    ssml: bool | None = Field(None, description="extension: as in /tts")
    lexicons: list[str] | None = Field(None, description="extension: as in /tts")
    options: dict[str, Any] = Field(default_factory=dict, description="extension: as in /tts")

    @field_validator("ref_audio", "ref_text")
    @classmethod
    def _given_once(cls, value: str | None, info: ValidationInfo) -> str | None:
        name = CLIP_ALIASES[str(info.field_name)]
        if value and info.data.get(name) is not None:
            raise ValueError(f"is another name of {name}: send one of them")
        return value or None

    def speech_request(self, engine: str | None, voice: str | None, options: dict[str, Any]) -> SpeechRequest:
        """Map the body to a SpeechRequest.

        :raises InvalidRequest: naming the field.
        """
        rate_hz = PCM_RATE_HZ if self.response_format == "pcm" else None
        fields: dict[str, Any] = {
            "text": self.input,
            "engine": engine,
            "voice": voice,
            "reference_text": self.ref_text if self.reference_text is None else self.reference_text,
            "language": self.language,
            "speed": self.speed,
            "seed": self.seed,
            "format": self.response_format,
            "sample_rate": rate_hz if self.sample_rate is None else self.sample_rate,
            "stream": self.stream,
            "normalize": self.normalize,
            "ssml": self.ssml,
            "lexicons": self.lexicons,
            "options": options,
        }
        for name in ("reference_audio", "ref_audio"):
            if (encoded := getattr(self, name)) is not None:
                fields["reference_audio"] = decode_base64(encoded, name)
        return parse(SpeechRequest, fields)


class VoiceBody(BaseModel):
    """A recording of a voice to clone, with the field names of OpenAI and of similar servers."""

    model_config = ConfigDict(frozen=True, extra="allow")  # unknown fields are kept to report them

    type: Literal["audio_sample"] = Field("audio_sample", description="voices cannot be created from a description")
    name: str = Field(description="letters, digits, space, - _ . in any script")
    audio_sample: bytes = Field(
        validation_alias=AliasChoices("audio_sample", "audio", "file"),
        description="1 to 30 s of speech in any common audio format; also accepted as `audio` or `file`",
    )
    transcript: str = Field(
        "",
        validation_alias=AliasChoices("transcript", "ref_text"),
        description="extension: the words spoken in the recording; also accepted as `ref_text`",
    )
    language: str | None = Field(None, description="extension: the recording's language, a BCP 47 tag or a name")

    @property
    def unknown(self) -> dict[str, Any]:
        """The fields that are not used."""
        return dict(self.model_extra or {})
