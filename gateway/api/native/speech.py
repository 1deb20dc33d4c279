"""``/tts``: the native API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.api.common.body import read
from gateway.api.common.deps import Services, ServicesDep
from gateway.api.common.events import NDJSON
from gateway.api.common.openapi import JSON
from gateway.api.common.route import SPEECH_ERRORS, DialectRoute, raises
from gateway.api.common.tts import RESPONSES, TtsBody, documentation, query_documentation, respond
from gateway.audio.formats import get_format
from gateway.errors import InvalidRequest

# Audio is generated for the request: no parts of it can be requested later, and no shared cache may keep it.
_GET_HEADERS = {"Accept-Ranges": "none", "Cache-Control": "private"}

router = APIRouter(tags=["speech"], route_class=DialectRoute)


@router.post(
    "/tts", summary="Speak a text", openapi_extra=documentation(), responses=RESPONSES, response_class=Response
)
@raises(*SPEECH_ERRORS)
async def tts(request: Request, services: ServicesDep) -> Response:
    """Speak `text` with the requested engine and voice."""
    return await respond(request, services, await read(request, TtsBody, file="reference_audio"))


@router.get(
    "/tts",
    summary="Speak a text of the query string",
    openapi_extra=query_documentation(),
    responses=RESPONSES,
    response_class=Response,
)
@raises(InvalidRequest, *SPEECH_ERRORS)
async def get_tts(request: Request, services: ServicesDep) -> Response:
    """As `POST /tts` with all fields in the query string, for players and `<audio src>`. HEAD speaks nothing."""
    body = await read(request, TtsBody, file="reference_audio")
    response = await (_head(services, body) if request.method == "HEAD" else respond(request, services, body))
    response.headers.update(_GET_HEADERS)
    return response


async def _head(services: Services, body: TtsBody) -> Response:
    services.engines.get(body.engine)
    wrapped = {"base64": JSON, "events": NDJSON}
    content_type = wrapped.get(body.response) or get_format(body.format).media_type
    response = Response(media_type=content_type)
    del response.headers["content-length"]
    return response
