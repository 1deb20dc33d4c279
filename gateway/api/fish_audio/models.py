"""``/model`` of the Fish Audio API: stored voices, which that API calls models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import JSONResponse

from gateway.api.common.body import Form
from gateway.api.common.deps import ServicesDep
from gateway.api.common.ignored_fields import ignored, refuse_clips, renamed
from gateway.api.common.openapi import FORM, JSON, request_body
from gateway.api.common.route import raises
from gateway.api.common.voices import check_space, rename_stored, store_upload
from gateway.api.fish_audio.bodies import read_form
from gateway.api.fish_audio.speech import FishAudioRoute
from gateway.errors import Conflict, InsufficientStorage, InvalidRequest, VoiceNotFound
from gateway.service.request import parse
from gateway.service.voices import VoiceUpload
from gateway.text.language_tags import language_tag
from gateway.voices.store import Voice

AUTHOR = {"_id": "voxgate", "nickname": "Voxgate", "avatar": ""}

_FIELDS = {"name": "title", "audio": "voices", "transcript": "texts"}
# Attributes that stored voices do not have, with the values that need no report because they are the defaults.
_UNSUPPORTED = {
    "description": ("",),
    "visibility": ("private",),
    "tags": (),
    "cover_image": (),
    "type": ("tts",),
    "train_mode": ("fast",),
    "enhance_audio_quality": ("false", "False", "0"),
}

_FIELD_NAMES = frozenset({"title", "voices", "texts", *_UNSUPPORTED})

router = APIRouter(prefix="/model", tags=["Fish Audio"], route_class=FishAudioRoute)


def _entity(voice: Voice, request: Request) -> dict[str, Any]:
    """A voice with all fields that clients require; counts and covers are placeholders."""
    audio = f"{request.base_url}v1/voices/{voice.id}/audio"
    return {
        "_id": voice.id,
        "type": "tts",
        "title": voice.name,
        "description": "",
        "cover_image": "",
        "train_mode": "fast",
        "state": "trained",
        "tags": [],
        "samples": [{"title": voice.name, "text": voice.transcript, "task_id": voice.id, "audio": audio}],
        "created_at": voice.created_at,
        "updated_at": voice.created_at,
        "languages": [voice.language] if voice.language else [],
        "visibility": "private",
        "lock_visibility": True,
        "like_count": 0,
        "mark_count": 0,
        "shared_count": 0,
        "task_count": 0,
        "liked": False,
        "marked": False,
        "author": AUTHOR,
    }


@router.get("", summary="List voices")
async def list_models(
    request: Request,
    services: ServicesDep,
    page_size: Annotated[int, Query(ge=1, le=100)] = 10,
    page_number: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    title: Annotated[str, Query(max_length=128, description="part of the name")] = "",
    language: Annotated[list[str] | None, Query(max_length=16)] = None,
    tag: Annotated[list[str] | None, Query(max_length=16, description="voices have no tags")] = None,
    author_id: Annotated[str | None, Query(max_length=128)] = None,
    sort_by: Annotated[str, Query(description="created_at: newest first; otherwise by name")] = "task_count",
) -> dict[str, Any]:
    """Stored voices; all clients share them."""
    voices: Sequence[Voice] = await asyncio.to_thread(services.voices.list)
    languages = {_primary(wanted) for wanted in language or ()}
    found = [
        voice
        for voice in voices
        if title.casefold() in voice.name.casefold()
        and (not languages or _primary(voice.language or "") in languages)
        and not tag
        and author_id in (None, AUTHOR["_id"])
    ]
    if sort_by == "created_at":
        found.sort(key=lambda voice: voice.created_at, reverse=True)
    start = (page_number - 1) * page_size
    return {"total": len(found), "items": [_entity(voice, request) for voice in found[start : start + page_size]]}


@router.get("/{voice_id}", summary="Show a stored voice")
@raises(VoiceNotFound)
async def get_model(voice_id: str, request: Request, services: ServicesDep) -> dict[str, Any]:
    """One stored voice, by ID or name."""
    return _entity(await asyncio.to_thread(services.voices.get, voice_id), request)


def _documentation(*names: str, required: Sequence[str] = ()) -> dict[str, Any]:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    texts = {"type": "array", "items": {"type": "string"}}
    kinds = {"voices": files, "texts": texts, "tags": texts}
    properties = {name: kinds.get(name, {"type": "string"}) for name in names}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return request_body(schema, [FORM])


@router.post(
    "",
    summary="Store a voice",
    status_code=201,
    response_model=None,
    openapi_extra=_documentation("title", "voices", "texts", *_UNSUPPORTED, required=("title", "voices")),
    responses={200: {"description": "The same clip is already stored under this name.", "content": {JSON: {}}}},
)
@raises(Conflict, InsufficientStorage)
async def create_model(request: Request, services: ServicesDep) -> Response:
    """Store the recording `voices` with its transcript, the first of `texts`, under the name `title`."""
    await check_space(request, services)
    form = await read_form(request)
    recordings = [value for value in form.get("voices", []) if isinstance(value, bytes)]
    if not recordings:
        raise InvalidRequest("required, a file with a recording of the voice", param="voices")
    if len(recordings) > 1:
        raise InvalidRequest("several recordings are not supported: send one", param="voices.1")
    refuse_clips({name: values[0] for name, values in form.items() if name not in _FIELD_NAMES}, "voices")
    texts = form.get("texts", [])
    fields = {"name": _text(form, "title"), "audio": recordings[0], "transcript": texts[0] if texts else ""}
    with renamed(_FIELDS):
        voice, created = await store_upload(parse(VoiceUpload, fields), services)
    more = [f"texts.{index}" for index in range(1, len(texts))]
    headers = ignored([*more, *_unused(form, "title", "voices", "texts")])
    return JSONResponse(_entity(voice, request), 201 if created else 200, headers=headers)


@router.patch(
    "/{voice_id}",
    summary="Rename a stored voice",
    openapi_extra=_documentation("title", *_UNSUPPORTED),
    response_model=None,
)
@raises(VoiceNotFound, Conflict, InsufficientStorage)
async def update_model(voice_id: str, request: Request, services: ServicesDep) -> Response:
    """Rename a voice; other attributes cannot be changed."""
    form = await read_form(request)
    voice = await asyncio.to_thread(services.voices.get, voice_id)
    if "title" in form:
        with renamed(_FIELDS):
            voice = await rename_stored(voice.id, _text(form, "title"), services)
    return JSONResponse(_entity(voice, request), headers=ignored(_unused(form, "title")))


@router.delete("/{voice_id}", summary="Remove a stored voice", status_code=204)
@raises(VoiceNotFound, Conflict, InsufficientStorage)
async def delete_model(voice_id: str, services: ServicesDep) -> None:
    """Remove a stored voice by ID or name."""
    await asyncio.to_thread(services.voices.remove, voice_id)


def _text(form: Form, name: str) -> str:
    """The value of a required text field.

    :raises InvalidRequest: if the field is missing, repeated or a file.
    """
    values = form.get(name, [])
    if len(values) != 1 or not isinstance(values[0], str):
        raise InvalidRequest("required, exactly one text", param=name)
    return values[0]


def _unused(form: Mapping[str, Sequence[str | bytes]], *used: str) -> list[str]:
    """Names of the fields whose values have no effect."""
    return [
        name
        for name, values in form.items()
        if name not in used and any(value not in _UNSUPPORTED.get(name, ()) for value in values)
    ]


def _primary(language: str) -> str:
    try:
        return (language_tag(language) or "").split("-", 1)[0]
    except ValueError:
        return language
