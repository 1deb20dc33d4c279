"""``/v1/audio/voices``: OpenAI's custom-voice routes, and the voice list of similar servers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep
from gateway.api.common.ignored_fields import ignored, refuse_clips
from gateway.api.common.openapi import FORM, model_schema, request_body
from gateway.api.common.voices import built_in_voices, store_upload
from gateway.api.openai.bodies import VoiceBody
from gateway.api.openai.errors import OpenAIRoute
from gateway.service.request import parse
from gateway.service.voices import VoiceUpload

router = APIRouter(prefix="/v1/audio/voices", tags=["OpenAI"], route_class=OpenAIRoute)


class AudioVoice(BaseModel):
    """A stored voice."""

    id: str
    object: str = "audio.voice"
    name: str
    created_at: int
    type: str = "audio_sample"


class AudioVoiceDeleted(BaseModel):
    """The response to a DELETE."""

    id: str
    object: str = "audio.voice.deleted"
    deleted: bool = True


@router.get("", summary="List voices")
async def list_audio_voices(services: ServicesDep) -> dict[str, Any]:
    """Values for `voice`: stored voices, built-in voices of every engine that has been loaded once, and aliases."""
    names = {voice.id: voice.name for voice in await asyncio.to_thread(services.voices.list)}
    names |= {voice.name: voice.name for _, voice in built_in_voices(services)}
    for alias in services.aliases.voices:
        names.setdefault(alias, alias)
    return {"voices": [{"id": voice_id, "name": name} for voice_id, name in names.items()]}


@router.post(
    "",
    summary="Store a voice",
    openapi_extra=request_body(model_schema(VoiceBody, binary=["audio_sample"], by_alias=False), [FORM]),
    responses={409: {"description": "The name is taken."}},
)
async def add_audio_voice(request: Request, response: Response, services: ServicesDep) -> AudioVoice:
    """Store a recording of a voice under a name. Repeating an upload changes nothing."""
    body = await read(request, VoiceBody, file="audio_sample")
    refuse_clips(body.unknown, "audio_sample", names=("audio", "file"))
    fields = {"name": body.name, "audio": body.audio_sample, "transcript": body.transcript, "language": body.language}
    voice, _ = await store_upload(parse(VoiceUpload, fields), services)
    response.headers.update(ignored(list(body.unknown)))
    created_at = datetime.fromisoformat(voice.created_at)
    return AudioVoice(id=voice.id, name=voice.name, created_at=int(created_at.timestamp()))


@router.delete("/{voice_id}", summary="Remove a stored voice")
async def remove_audio_voice(voice_id: str, services: ServicesDep) -> AudioVoiceDeleted:
    """Remove a stored voice by ID or name."""
    voice = await asyncio.to_thread(services.voices.remove, voice_id)
    return AudioVoiceDeleted(id=voice.id)
