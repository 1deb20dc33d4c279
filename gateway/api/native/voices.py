"""``/v1/voices``: what voices there are, and uploading new ones."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from gateway.api.common.body import read
from gateway.api.common.deps import Services, ServicesDep
from gateway.service.voices import VoiceUpload, rename_voice, store_voice
from gateway.voices.store import Voice

router = APIRouter(prefix="/v1/voices", tags=["voices"])


class VoiceInfo(BaseModel):
    """A voice that requests may name."""

    id: str = Field(description="what to give as `voice`; stored voices may also be given by name")
    name: str
    kind: str = Field(description="stored, or built-in with the engine it belongs to")
    engine: str | None = Field(None, description="for built-in voices")
    language: str | None = None
    description: str | None = None
    transcript: str | None = None
    duration_s: float | None = None
    sample_rate: int | None = None
    created_at: str | None = None


class VoiceList(BaseModel):
    """All voices."""

    voices: list[VoiceInfo]


def _stored(voice: Voice) -> VoiceInfo:
    return VoiceInfo(
        id=voice.id,
        name=voice.name,
        kind="stored",
        language=voice.language,
        transcript=voice.transcript,
        duration_s=voice.duration_s,
        sample_rate=voice.rate_hz,
        created_at=voice.created_at,
    )


def _built_in(services: Services) -> list[VoiceInfo]:
    """Voices of the engines whose capabilities are known, that is, which have been loaded."""
    found = []
    for engine in services.engines:
        if capabilities := engine.client.status().capabilities:
            for voice in capabilities.voices:
                info = VoiceInfo(id=voice.name, name=voice.name, kind="built-in", engine=engine.name)
                info.language, info.description = voice.language, voice.description
                found.append(info)
    return found


async def store_upload(upload: VoiceUpload, services: Services) -> tuple[Voice, bool]:
    """Keep a voice; see :func:`gateway.service.voices.store_voice`."""
    return await store_voice(upload, services.voices, services.clips, _taken(services))


async def rename_stored(id_or_name: str, name: str, services: Services) -> Voice:
    """Give a voice another name; see :func:`gateway.service.voices.rename_voice`."""
    return await rename_voice(id_or_name, name, services.voices, _taken(services))


def _taken(services: Services) -> dict[str, str]:
    """Names that no stored voice may have, and the engine of each."""
    return {voice.name: str(voice.engine) for voice in _built_in(services)}


@router.get("", summary="List voices", response_model_exclude_none=True)
async def list_voices(services: ServicesDep) -> VoiceList:
    """Stored voices, and the built-in ones of every engine that has been loaded."""
    stored = await asyncio.to_thread(services.voices.list)
    return VoiceList(voices=[*(_stored(voice) for voice in stored), *_built_in(services)])


def _documentation() -> dict[str, Any]:
    schema = VoiceUpload.model_json_schema()
    schema["properties"]["audio"]["format"] = "binary"
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "",
    summary="Store a voice",
    status_code=201,
    response_model=VoiceInfo,
    openapi_extra=_documentation(),
    responses={200: {"description": "The same clip was stored before."}, 409: {"description": "The name is taken."}},
)
async def add_voice(request: Request, services: ServicesDep) -> Response:
    """Store a reference clip with its transcript under a name. The same upload again changes nothing."""
    stored, created = await store_upload(await read(request, VoiceUpload, file="audio"), services)
    return JSONResponse(_stored(stored).model_dump(exclude_none=True), 201 if created else 200)


@router.delete("/{voice_id}", summary="Remove a stored voice", status_code=204)
async def remove_voice(voice_id: str, services: ServicesDep) -> None:
    """Remove a stored voice by id or name."""
    voice = await asyncio.to_thread(services.voices.get, voice_id)
    await asyncio.to_thread(services.voices.remove, voice.id)


@router.get("/{voice_id}/audio", summary="A stored voice's clip", response_class=Response)
async def voice_audio(voice_id: str, services: ServicesDep) -> Response:
    """The stored reference clip as WAV."""
    voice = await asyncio.to_thread(services.voices.get, voice_id)
    return Response(await asyncio.to_thread(services.voices.audio, voice.id), media_type="audio/wav")
