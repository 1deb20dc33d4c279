"""``POST /tts``: the native API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep
from gateway.api.common.route import DialectRoute
from gateway.api.common.tts import RESPONSES, TtsBody, documentation, respond

router = APIRouter(tags=["speech"], route_class=DialectRoute)


@router.post("/tts", summary="Speak a text", openapi_extra=documentation(), responses=RESPONSES, response_model=None)
async def tts(request: Request, services: ServicesDep) -> Response:
    """Speak `text` with the requested engine and voice."""
    return await respond(request, services, await read(request, TtsBody, file="reference_audio"))
