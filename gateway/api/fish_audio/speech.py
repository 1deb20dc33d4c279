"""Speech in the HTTP API of Fish Audio and of Fish-Speech's own server from version 1.4 on.

Voices are in :mod:`gateway.api.fish_audio.models` and :mod:`gateway.api.fish_audio.references`, the codec in
:mod:`gateway.api.fish_audio.codec`, the live WebSocket in :mod:`gateway.api.fish_audio.live`.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from fastapi import APIRouter, Request, Response

from gateway.api.common.deps import Services, ServicesDep, cancel_on_disconnect, deadline_at
from gateway.api.common.errors import Problem
from gateway.api.common.fish import clamp_option
from gateway.api.common.ignored_fields import ignored, renamed
from gateway.api.common.openapi import FORM, JSON, MSGPACK, audio, model_schema, request_body
from gateway.api.common.responses import complete_audio, streamed_audio
from gateway.api.common.route import SPEECH_ERRORS, DialectRoute, raises
from gateway.api.fish_audio.bodies import FishTtsBody, read_tts
from gateway.errors import BadRequest, InvalidRequest, NotFound
from gateway.service.request import MAX_SEED, SpeechRequest, parse

# Fields that are passed to engines that have an option of that name.
_OPTIONS = ("chunk_length", "top_p", "temperature", "repetition_penalty", "max_new_tokens")
FIELDS = {
    "voice": "reference_id",
    "reference_audio": "references.0.audio",
    "reference_text": "references.0.text",
    "engine": "model",
    "speed": "prosody.speed",
    "volume": "prosody.volume",
}


class FishAudioRoute(DialectRoute):
    """Errors are ``{"status", "message"}``, as both clients of ``fish-audio-sdk`` expect."""

    malformed = BadRequest

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error response; the message starts with the invalid field."""
        return {"status": problem.status, "message": problem.described}


router = APIRouter(tags=["Fish Audio"], route_class=FishAudioRoute)


def _documentation() -> dict[str, Any]:
    fields = model_schema(FishTtsBody)
    reference = {"type": "object", "properties": {"audio": {"type": "string"}, "text": {"type": "string"}}}
    fields["properties"]["references"] = {"type": "array", "items": reference}
    model = {"name": "model", "in": "header", "schema": {"type": "string"}, "description": "an engine or an alias"}
    return {**request_body(fields, (MSGPACK, JSON, FORM), required=False), "parameters": [model]}


@router.post(
    "/v1/tts",
    summary="Speak a text",
    response_class=Response,
    openapi_extra=_documentation(),
    responses=audio("The audio file."),
)
@raises(*SPEECH_ERRORS)
async def tts(request: Request, services: ServicesDep) -> Response:
    """Speak `text`. The audio is sent while it is generated.

    WAV files are sent when complete, because their header has the length, unless `streaming` is set.
    """
    body, unknown = await read_tts(request)
    chunked = body.format != "wav" if body.streaming is None else body.streaming
    with renamed(field_names(body)):
        mapping = spec_fields(body, request.headers.get("model"), services, deadline_at(request, services))
        fields, unused = await cancel_on_disconnect(request, mapping)
        stream = chunked and body.latency != "normal"
        wanted = parse(SpeechRequest, {**fields, "text": body.text, "stream": stream})
        respond = streamed_audio if chunked else complete_audio
        return await respond(request, services, wanted, ignored([*unknown, *unused]), or_silence=True)


def field_names(body: FishTtsBody) -> dict[str, str | None]:
    """The names for :func:`gateway.api.common.ignored_fields.renamed`: from the gateway's fields to this API's."""
    return {**FIELDS, "bitrate": f"{body.format}_bitrate"}


async def spec_fields(
    body: FishTtsBody, model: str | None, services: Services, until: float | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Map a body to fields of a :class:`VoiceSpec`; also return the names of fields that have no effect here.

    :param model: an engine's name or alias; None or empty: the default engine.
    :param until: end of the wait for an engine that has not been loaded yet, on the event loop's clock.
    :raises EngineNotFound: if there is no such engine.
    :raises InvalidRequest: if a recording in the request would not be used.
    :raises EngineUnavailable: if the engine cannot be loaded in time.
    """
    engine = services.engines.get(services.aliases.engine(model) if model else None)
    capabilities = await engine.capabilities(until)
    options = body.given(*_OPTIONS)
    unused = [name for name in options if not capabilities.supports(name)]
    fields: dict[str, Any] = {
        "engine": engine.name,
        "format": body.format,
        "sample_rate": body.sample_rate,
        "speed": body.prosody.speed,
        "volume": body.prosody.volume,
        "normalize": body.normalize,
        "seed": None if body.seed is None else body.seed % (MAX_SEED + 1),
        "options": {name: clamp_option(name, value) for name, value in options.items() if capabilities.supports(name)},
        **_bitrate(body),
    }
    aliases, foreign = services.aliases, False
    if body.reference_id is not None:
        foreign = await asyncio.to_thread(aliases.is_foreign_voice, engine.name, body.reference_id)
        unused += ["reference_id"] * foreign
    if body.reference_id is not None and not foreign:
        fields["voice"] = await asyncio.to_thread(aliases.voice, engine.name, body.reference_id)
        if body.references:
            raise InvalidRequest("cannot be combined with reference_id: send one of them", param="references")
    elif body.references:
        if len(body.references) > 1:
            raise InvalidRequest("several recordings are not supported: send one", param="references.1")
        fields |= {"reference_audio": body.references[0].audio, "reference_text": body.references[0].text}
    return fields, unused


def _bitrate(body: FishTtsBody) -> dict[str, int]:
    if body.format == "mp3":
        return body.given("mp3_bitrate") and {"bitrate": body.mp3_bitrate}
    if body.format == "opus" and body.opus_bitrate > 0:
        return body.given("opus_bitrate") and {"bitrate": body.opus_bitrate}
    return {}


@router.get("/v1/health", summary="Liveness")
async def health() -> dict[str, str]:
    """200 while the gateway responds."""
    return {"status": "ok"}


@router.post("/v1/asr", summary="Not supported: speech to text", response_model=None, status_code=404)
@raises(NotFound)
async def asr(services: ServicesDep) -> NoReturn:
    """404: speech recognition is not supported."""
    raise NotFound("speech recognition is not supported: this gateway only synthesizes speech")


@router.get("/wallet/self/api-credit", summary="Not supported: credit", response_model=None, status_code=404)
@router.get("/wallet/self/package", summary="Not supported: packages", response_model=None, status_code=404)
@raises(NotFound)
async def wallet(services: ServicesDep) -> NoReturn:
    """404: accounts and billing are not supported."""
    raise NotFound("accounts and billing are not supported: this gateway charges nothing")
