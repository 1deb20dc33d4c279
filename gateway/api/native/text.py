"""``POST /v1/text``: the spoken form of a text."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep, cancel_on_disconnect, deadline_at
from gateway.api.common.openapi import JSON, request_body
from gateway.api.common.route import DialectRoute, raises
from gateway.api.common.tts import as_in_tts
from gateway.errors import (
    DeadlineExceeded,
    EngineNotFound,
    EngineUnavailable,
    LexiconNotFound,
    QueueFull,
    VoiceNotFound,
)
from gateway.service.request import VoiceSpec, parse
from gateway.text.sections import Passage, PreparedText, Section

router = APIRouter(tags=["speech"], route_class=DialectRoute)


class TextBody(BaseModel):
    """A text, and the fields of ``/tts`` that decide how it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, description="the text; limited by limits.text_chars")
    engine: str | None = as_in_tts("engine")
    voice: str | None = as_in_tts("voice")
    language: str | None = as_in_tts("language")
    normalize: bool | dict[str, bool] | None = as_in_tts("normalize")
    ssml: bool | None = as_in_tts("ssml")
    lexicons: list[str] | None = as_in_tts("lexicons")
    markdown: bool | None = Field(None, description="as in /tts; positions are in the converted text")


class SpeechPart(BaseModel):
    """A part of the text that is spoken without a pause.

    Fields that SSML does not set are null.
    """

    type: Literal["speech"] = "speech"
    start: int = Field(description="position in the text, in characters")
    end: int
    text: str = Field(description="as it is spoken")
    voice: str | None = None
    language: str | None = None
    speed: float | None = None
    gain_db: float | None = None


class PausePart(BaseModel):
    """Silence."""

    type: Literal["pause"] = "pause"
    start: int
    duration_s: float


class TextChange(BaseModel):
    """A part of the text that is not spoken as written."""

    start: int
    end: int
    written: str
    spoken: str = Field(description="empty: nothing is spoken")
    category: str


class RefusedCharacter(BaseModel):
    """A character for which the engine would refuse the text."""

    start: int
    character: str


class TextAnswer(BaseModel):
    """The result of the text stage."""

    engine: str
    text: str = Field(description="the text that positions refer to")
    spoken_text: str
    languages: list[str] = Field(description="those that the text is read in, the most text first")
    parts: list[Annotated[SpeechPart | PausePart, Field(discriminator="type")]]
    changes: list[TextChange]
    refused: list[RefusedCharacter] = Field(description="the first ones; /tts would answer 422")
    ignored: list[str] = Field(description="SSML that has no effect")


@router.post(
    "/v1/text", summary="Show what would be spoken", openapi_extra=request_body(TextBody.model_json_schema(), (JSON,))
)
@raises(EngineNotFound, VoiceNotFound, LexiconNotFound, QueueFull, EngineUnavailable, DeadlineExceeded)
async def show_text(request: Request, services: ServicesDep) -> TextAnswer:
    """Run the text stage of a request to `/tts` and show its result. Nothing is spoken."""
    body = await read(request, TextBody, file="reference_audio")
    fields = body.model_dump(exclude_none=True, exclude={"text", "markdown"})
    inspecting = services.synthesizer.inspect(parse(VoiceSpec, fields), body.text, deadline_at(request, services))
    prepared = await cancel_on_disconnect(request, inspecting)
    return answer(services.engines.get(body.engine).name, body.text, prepared)


def answer(engine: str, text: str, prepared: PreparedText) -> TextAnswer:
    """Describe a prepared text."""
    return TextAnswer(
        engine=engine,
        text=text,
        spoken_text=prepared.spoken_text,
        languages=prepared.languages,
        parts=[_part(section) for section in prepared.sections],
        changes=[
            TextChange(
                start=change.start,
                end=change.end,
                written=text[change.start : change.end],
                spoken=change.spoken,
                category=change.category,
            )
            for change in prepared.changes
        ],
        refused=[RefusedCharacter(start=refusal.position, character=refusal.char) for refusal in prepared.refused],
        ignored=list(prepared.ignored),
    )


def _part(section: Section) -> SpeechPart | PausePart:
    if not isinstance(section, Passage):
        return PausePart(start=section.position, duration_s=section.duration_s)
    start, end = section.text.span(0, len(section.text))
    return SpeechPart(
        start=start,
        end=end,
        text=section.text.text,
        voice=section.voice,
        language=section.language,
        speed=None if section.speed == 1.0 else section.speed,
        gain_db=section.gain_db or None,
    )
