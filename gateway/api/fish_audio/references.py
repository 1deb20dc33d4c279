"""``/v1/references`` of Fish-Speech's own server: stored voices, whose names are that API's IDs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.api.common.deps import ServicesDep
from gateway.api.common.errors import Problem
from gateway.api.common.ignored_fields import ignored, refuse_clips, renamed
from gateway.api.common.openapi import FORM, JSON, MSGPACK, request_body, text_schema
from gateway.api.common.route import DialectRoute
from gateway.api.common.voices import rename_stored, store_upload
from gateway.api.fish_audio.bodies import read_fields, read_form
from gateway.errors import Conflict, InvalidRequest
from gateway.service.request import parse
from gateway.service.voices import VoiceUpload


class FishReferencesRoute(DialectRoute):
    """Errors are ``{"success": false, "message", "statusCode", "error"}``, in JSON."""

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error response."""
        return {
            "success": False,
            "message": problem.described,
            "statusCode": problem.status,
            "error": problem.phrase,
        }


router = APIRouter(prefix="/v1/references", tags=["Fish Audio"], route_class=FishReferencesRoute)


def encoded_response(request: Request, value: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A response in MessagePack, or in JSON if the client requests it by ``Accept`` or ``?format=json``."""
    if request.query_params.get("format") == "json" or JSON in request.headers.get("accept", ""):
        return Response(msgspec.json.encode(value), media_type=JSON, headers=headers)
    return Response(msgspec.msgpack.encode(value), media_type=MSGPACK, headers=headers)


@router.post(
    "/add",
    summary="Store a voice",
    response_class=Response,
    openapi_extra=request_body(text_schema("id", "audio", "text", binary=["audio"]), [FORM]),
    responses={409: {"description": "The name is taken, or the recording is already stored."}},
)
async def add_reference(request: Request, services: ServicesDep) -> Response:
    """Store a recording with its transcript under a name."""
    form = await read_form(request)
    unknown = [name for name in form if name not in ("id", "audio", "text")]
    refuse_clips({name: form[name][0] for name in unknown}, "audio")
    fields = {}
    for name, own in (("id", "name"), ("audio", "audio"), ("text", "transcript")):
        values = form.get(name, [])
        if len(values) != 1 or isinstance(values[0], bytes) != (name == "audio"):
            raise InvalidRequest(f"required, exactly one {'file' if name == 'audio' else 'text'}", param=name)
        fields[own] = values[0]
    with renamed({"name": "id", "transcript": "text"}):
        voice, created = await store_upload(parse(VoiceUpload, fields), services)
        if not created:
            raise Conflict("this recording is already stored under this name", param="name")
    message = f"the voice {voice.name!r} is stored"
    return encoded_response(
        request, {"success": True, "message": message, "reference_id": voice.name}, ignored(unknown)
    )


@router.get("/list", summary="List voices", response_class=Response)
async def list_references(request: Request, services: ServicesDep) -> Response:
    """The names of all stored voices."""
    names = [voice.name for voice in await asyncio.to_thread(services.voices.list)]
    return encoded_response(request, {"success": True, "message": f"{len(names)} voices", "reference_ids": names})


@router.delete(
    "/delete",
    summary="Remove a voice",
    response_class=Response,
    openapi_extra=request_body(text_schema("reference_id")),
)
async def delete_reference(request: Request, services: ServicesDep) -> Response:
    """Remove a stored voice by name."""
    (name,) = await _names(request, "reference_id")
    with renamed({"voice": "reference_id"}):
        voice = await asyncio.to_thread(services.voices.remove, name)
    body = {"success": True, "message": f"the voice {voice.name!r} is removed", "reference_id": voice.name}
    return encoded_response(request, body)


@router.post(
    "/update",
    summary="Rename a voice",
    response_class=Response,
    openapi_extra=request_body(text_schema("old_reference_id", "new_reference_id")),
)
async def update_reference(request: Request, services: ServicesDep) -> Response:
    """Rename a stored voice."""
    old, new = await _names(request, "old_reference_id", "new_reference_id")
    with renamed({"voice": "old_reference_id", "name": "new_reference_id"}):
        voice = await rename_stored(old, new, services)
    message = f"the voice {old!r} is renamed to {voice.name!r}"
    body = {"success": True, "message": message, "old_reference_id": old, "new_reference_id": voice.name}
    return encoded_response(request, body)


async def _names(request: Request, *fields: str) -> list[str]:
    """The values of required text fields of the body.

    :raises InvalidRequest: naming the first field that is missing or not text.
    """
    found, _ = await read_fields(request)
    for field in fields:
        if not isinstance(found.get(field), str):
            raise InvalidRequest("required, a text", param=field)
    return [found[field] for field in fields]
