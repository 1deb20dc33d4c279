"""``/v1/audio/voices``: OpenAI's custom-voice routes, and the voice list of similar servers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep
from gateway.api.common.ignored_fields import ignored, refuse_clips
from gateway.api.common.openapi import FORM, model_schema, request_body
from gateway.api.common.route import raises
from gateway.api.common.voices import check_space, store_upload
from gateway.api.openai.bodies import VoiceBody
from gateway.api.openai.errors import OpenAIRoute
from gateway.errors import Conflict, EngineNotFound, InsufficientStorage, VoiceNotFound
from gateway.service.request import parse
from gateway.service.voices import VoiceUpload
from gateway.voices.store import name_key

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
@raises(EngineNotFound)
async def list_audio_voices(
    services: ServicesDep,
    model: Annotated[str | None, Query(max_length=256, description="only voices that this model can use")] = None,
) -> dict[str, Any]:
    """Values for `voice`: stored voices, built-in voices, and aliases.

    Built-in voices that only a loaded model knows are missing until it has been loaded.
    """
    engine = services.aliases.engine(model) if model else None
    can = services.engines.get(engine).client.last_load if engine else None
    clones = can is None or can.cloning != "none"
    stored = await asyncio.to_thread(services.voices.list) if clones else ()
    taken = {name_key(voice.name) for voice in stored}  # a stored voice takes precedence over a built-in one
    names = {voice.id: voice.name for voice in stored}
    for owner, voice, _ in await services.engines.built_in_voices():
        if engine in (None, owner) and name_key(voice.name) not in taken:
            names[voice.name] = voice.name
    for alias, target in services.aliases.voices.items():
        if engine is None or isinstance(target, str) or engine in target:
            names.setdefault(alias, alias)
    return {"voices": [{"id": voice_id, "name": name} for voice_id, name in names.items()]}


@router.post(
    "",
    summary="Store a voice",
    openapi_extra=request_body(model_schema(VoiceBody, binary=["audio_sample"], by_alias=False), [FORM]),
)
@raises(Conflict, InsufficientStorage)
async def add_audio_voice(request: Request, response: Response, services: ServicesDep) -> AudioVoice:
    """Store a recording of a voice under a name. Repeating an upload changes nothing."""
    await check_space(request, services)
    body = await read(request, VoiceBody, file="audio_sample")
    refuse_clips(body.unknown, "audio_sample", names=("audio", "file"))
    fields = {"name": body.name, "audio": body.audio_sample, "transcript": body.transcript, "language": body.language}
    voice, _ = await store_upload(parse(VoiceUpload, fields), services)
    response.headers.update(ignored(list(body.unknown)))
    created_at = datetime.fromisoformat(voice.created_at)
    return AudioVoice(id=voice.id, name=voice.name, created_at=int(created_at.timestamp()))


@router.delete("/{voice_id}", summary="Remove a stored voice")
@raises(VoiceNotFound, Conflict, InsufficientStorage)
async def remove_audio_voice(voice_id: str, services: ServicesDep) -> AudioVoiceDeleted:
    """Remove a stored voice by ID or name."""
    voice = await asyncio.to_thread(services.voices.remove, voice_id)
    return AudioVoiceDeleted(id=voice.id)
