"""``/v1/lexicons``: list, store and remove pronunciation dictionaries."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from msgspec import Raw
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from gateway.api.common.body import media_type
from gateway.api.common.decoding import JSON as JSON_ENCODING
from gateway.api.common.deps import ServicesDep
from gateway.api.common.openapi import JSON, model_schema
from gateway.api.common.route import DialectRoute
from gateway.errors import UnsupportedMedia
from gateway.service.request import parse
from gateway.text.lexicon import Lexicon
from gateway.text.lexicons.document import LexiconDocument, LexiconSummary
from gateway.text.lexicons.pls import MAX_ELEMENTS, parse_pls, to_pls

router = APIRouter(prefix="/v1/lexicons", tags=["lexicons"], route_class=DialectRoute)

PLS = "application/pls+xml"
_XML = (PLS, "application/xml", "text/xml")


class LexiconList(BaseModel):
    """All pronunciation dictionaries."""

    lexicons: list[LexiconSummary]


class LexiconInfo(BaseModel):
    """A stored pronunciation dictionary, in the form that PUT accepts."""

    language: str | None = None
    voices: list[str]
    entries: dict[str, str]
    skipped: list[str] | None = Field(None, description="words of a PLS document that have phonemes only")


@router.get("", summary="List pronunciation dictionaries", response_model_exclude_none=True)
async def list_lexicons(services: ServicesDep) -> LexiconList:
    """All stored dictionaries without their entries."""
    return LexiconList(lexicons=await asyncio.to_thread(services.lexicons.summaries))


@router.get(
    "/{name}",
    summary="Show a pronunciation dictionary",
    response_model=LexiconInfo,
    responses={200: {"content": {PLS: {"schema": {"type": "string"}}}}},
)
async def show_lexicon(name: str, request: Request, services: ServicesDep) -> Response:
    """A dictionary as JSON, or as W3C PLS 1.0 if `Accept` has `application/pls+xml`."""
    lexicon = await asyncio.to_thread(services.lexicons.get, name)
    if PLS in request.headers.get("accept", "").lower():
        return Response(to_pls(lexicon), media_type=PLS)
    return _json(lexicon)


@router.put(
    "/{name}",
    summary="Store a pronunciation dictionary",
    response_model=LexiconInfo,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": model_schema(LexiconDocument),
                    "example": {"language": "en", "entries": {"nginx": "engine x", "Voxgate": "vox gate"}},
                },
                PLS: {"schema": {"type": "string"}},
            },
        }
    },
    responses={201: {"description": "The dictionary is new.", "model": LexiconInfo}},
)
async def put_lexicon(name: str, request: Request, services: ServicesDep) -> Response:
    """Store a dictionary, or replace it as a whole. The body is JSON or W3C PLS 1.0."""
    content_type = media_type(request)
    if content_type not in (JSON, *_XML, ""):
        raise UnsupportedMedia(f"content type {content_type!r}: send {JSON} or {PLS} (W3C PLS 1.0)")
    # In a thread: checking thousands of entries takes tens of milliseconds.
    document, skipped = await asyncio.to_thread(read_lexicon, await request.body(), content_type in _XML)
    stored, created = await asyncio.to_thread(services.lexicons.put, name, document)
    return _json(stored, skipped, 201 if created else 200)


@router.delete("/{name}", summary="Remove a pronunciation dictionary", status_code=204)
async def remove_lexicon(name: str, services: ServicesDep) -> None:
    """Remove a dictionary."""
    await asyncio.to_thread(services.lexicons.remove, name)


def read_lexicon(data: bytes, is_pls: bool) -> tuple[LexiconDocument, list[str] | None]:
    """Read a dictionary in JSON or W3C PLS 1.0.

    :returns: the dictionary; for PLS, also the words that are skipped, because they have phonemes only.
    :raises InvalidRequest: naming the field that is invalid.
    """
    fields, skipped = parse_pls(data) if is_pls else (_fields(data), None)
    return parse(LexiconDocument, fields, strict=True), skipped


def _fields(data: bytes) -> dict[str, Any]:
    fields = JSON_ENCODING.values(JSON_ENCODING.fields(data), LexiconDocument.model_fields, raw=("entries",))
    if isinstance(entries := fields.get("entries"), Raw):
        entries = JSON_ENCODING.fields(entries, param="entries", max_fields=MAX_ELEMENTS)
        fields["entries"] = JSON_ENCODING.values(entries, known=())
    return fields


def _json(lexicon: Lexicon, skipped: list[str] | None = None, status: int = 200) -> Response:
    info = LexiconInfo(
        language=lexicon.language,
        voices=list(lexicon.voices),
        entries=dict(lexicon.entries),
        skipped=skipped,
    )
    return JSONResponse(info.model_dump(exclude_none=True), status)
