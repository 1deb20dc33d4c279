"""``/v1/voices``: list, store, rename and remove voices."""

from __future__ import annotations

import asyncio
from itertools import starmap

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from backends.base import BuiltinVoice
from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep
from gateway.api.common.openapi import FORM, JSON, model_schema, request_body, success
from gateway.api.common.route import DialectRoute, raises
from gateway.api.common.voices import check_space, rename_stored, store_upload
from gateway.engine.catalog import KnownFrom
from gateway.errors import Conflict, InsufficientStorage, VoiceNotFound
from gateway.service.voices import VoiceName, VoiceUpload, voice_warnings
from gateway.voices.store import Voice

router = APIRouter(prefix="/v1/voices", tags=["voices"], route_class=DialectRoute)


class VoiceInfo(BaseModel):
    """A voice that requests can use."""

    id: str = Field(description="value for `voice`; a stored voice's name works too")
    name: str
    kind: str = Field(description="stored or built-in")
    engine: str | None = Field(None, description="the engine of a built-in voice")
    known_from: KnownFrom | None = Field(
        None,
        description="how a built-in voice is known: from the loaded engine, or before from its configuration or its "
        "last_load",
    )
    language: str | None = None
    description: str | None = None
    transcript: str | None = None
    duration_s: float | None = None
    sample_rate: int | None = None
    created_at: str | None = None
    warnings: list[str] | None = Field(None, description="why requests with this voice may fail or differ")


class ClipLimits(BaseModel):
    """Limits on recordings, from the settings."""

    min_s: float
    max_s: float
    max_bytes: int = Field(description="size of a request, with its recording")


class DamagedVoiceInfo(BaseModel):
    """A stored voice that requests cannot use. It counts towards the limits until it is removed or stored again."""

    id: str
    error: str = Field(description="why its files cannot be used")


class VoiceList(BaseModel):
    """All voices."""

    voices: list[VoiceInfo]
    damaged: list[DamagedVoiceInfo] | None = Field(None, description="stored voices that cannot be used, if any")
    clips: ClipLimits


class VoiceRename(BaseModel):
    """A stored voice's new name."""

    model_config = ConfigDict(extra="forbid")

    name: VoiceName


def _built_in(engine: str, voice: BuiltinVoice, known_from: KnownFrom) -> VoiceInfo:
    return VoiceInfo(
        id=voice.name,
        name=voice.name,
        kind="built-in",
        engine=engine,
        known_from=known_from,
        language=voice.language,
        description=voice.description,
    )


def _stored(voice: Voice, warnings: list[str]) -> VoiceInfo:
    return VoiceInfo(
        id=voice.id,
        name=voice.name,
        kind="stored",
        language=voice.language,
        transcript=voice.transcript,
        duration_s=voice.duration_s,
        sample_rate=voice.rate_hz,
        created_at=voice.created_at,
        warnings=warnings or None,
    )


@router.get("", summary="List voices", response_model_exclude_none=True)
async def list_voices(services: ServicesDep) -> VoiceList:
    """Stored voices, and built-in voices. Those that only a loaded model knows are missing until its first load."""
    stored = await asyncio.to_thread(services.voices.list)
    damaged = [
        DamagedVoiceInfo(id=voice.id, error=voice.error) for voice in await asyncio.to_thread(services.voices.damaged)
    ]
    built_in = await services.engines.built_in_voices()
    listed = [_stored(voice, voice_warnings(voice, services.engines, built_in)) for voice in stored]
    limits = services.settings.limits
    clips = ClipLimits(min_s=limits.reference_min_s, max_s=limits.reference_max_s, max_bytes=limits.body_bytes)
    return VoiceList(voices=[*listed, *starmap(_built_in, built_in)], damaged=damaged or None, clips=clips)


@router.post(
    "",
    summary="Store a voice",
    status_code=201,
    response_model=VoiceInfo,
    openapi_extra=request_body(model_schema(VoiceUpload, binary=["audio"]), [FORM]),
    responses={200: {"description": "The same clip is already stored under this name.", "model": VoiceInfo}},
)
@raises(Conflict, InsufficientStorage)
async def add_voice(request: Request, services: ServicesDep) -> Response:
    """Store a reference clip with its transcript under a name. Repeating an upload changes nothing."""
    await check_space(request, services)
    stored, created = await store_upload(await read(request, VoiceUpload, file="audio"), services)
    warnings = voice_warnings(stored, services.engines, await services.engines.built_in_voices())
    return JSONResponse(_stored(stored, warnings).model_dump(exclude_none=True), 201 if created else 200)


@router.patch(
    "/{voice_id}",
    summary="Rename a stored voice",
    response_model_exclude_none=True,
    openapi_extra=request_body(model_schema(VoiceRename), [JSON, FORM]),
)
@raises(VoiceNotFound, Conflict, InsufficientStorage)
async def rename_voice(voice_id: str, request: Request, services: ServicesDep) -> VoiceInfo:
    """Rename a stored voice, by ID or name. Its ID stays."""
    body = await read(request, VoiceRename)
    renamed = await rename_stored(voice_id, body.name, services)
    return _stored(renamed, voice_warnings(renamed, services.engines, await services.engines.built_in_voices()))


@router.delete("/{voice_id}", summary="Remove a stored voice", status_code=204)
@raises(VoiceNotFound, Conflict, InsufficientStorage)
async def remove_voice(voice_id: str, services: ServicesDep) -> None:
    """Remove a stored voice by ID or name, a damaged one by its ID."""
    await asyncio.to_thread(services.voices.remove, voice_id)


@router.get(
    "/{voice_id}/audio",
    summary="A stored voice's clip",
    response_class=Response,
    responses=success("A WAV file.", "audio/wav"),
)
@raises(VoiceNotFound)
async def voice_audio(voice_id: str, services: ServicesDep) -> Response:
    """The stored reference clip as WAV."""
    voice = await asyncio.to_thread(services.voices.get, voice_id)
    return Response(await asyncio.to_thread(services.voices.audio, voice.id), media_type="audio/wav")
