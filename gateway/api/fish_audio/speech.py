"""The HTTP API of Fish Audio and of Fish-Speech's own server from version 1.4 on: speech.

Voices are in :mod:`gateway.api.fish_audio.models` and :mod:`gateway.api.fish_audio.references`, the codec in
:mod:`gateway.api.fish_audio.codec`, the live WebSocket in :mod:`gateway.api.fish_audio.live`.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from fastapi import APIRouter, Request, Response

from gateway.api.common.deps import Services, ServicesDep
from gateway.api.common.errors import DialectRoute, Problem
from gateway.api.common.fish import fitted
from gateway.api.common.ignored_fields import ignored, renamed
from gateway.api.common.openapi import FORM, JSON, MSGPACK, model_schema, request_body
from gateway.api.common.responses import complete_audio, streamed_audio
from gateway.api.fish_audio.bodies import TtsBody, read_tts
from gateway.errors import NotFound
from gateway.service.request import MAX_SEED, SpeechRequest, parse

# Options that engines may know by the same name and with the same meaning.
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
    """Errors are ``{"status", "message"}``, which is what both clients of ``fish-audio-sdk`` read."""

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error answer; the field at fault stands in front of the message."""
        return {"status": problem.status, "message": problem.described}


router = APIRouter(tags=["Fish Audio"], route_class=FishAudioRoute)


def _documentation() -> dict[str, Any]:
    fields = model_schema(TtsBody)
    reference = {"type": "object", "properties": {"audio": {"type": "string"}, "text": {"type": "string"}}}
    fields["properties"]["references"] = {"type": "array", "items": reference}
    model = {"name": "model", "in": "header", "schema": {"type": "string"}, "description": "an engine or an alias"}
    return {**request_body(fields, (MSGPACK, JSON, FORM), required=False), "parameters": [model]}


@router.post(
    "/v1/tts",
    summary="Speak a text",
    response_class=Response,
    openapi_extra=_documentation(),
    responses={200: {"description": "The audio file.", "content": {"audio/wav": {}, "audio/mpeg": {}}}},
)
async def tts(request: Request, services: ServicesDep) -> Response:
    """Speak `text`; sent while it is made, but for WAV files, whose header needs the end, unless `streaming` is set."""
    body, unknown = await read_tts(request)
    chunked = body.format != "wav" if body.streaming is None else body.streaming
    with renamed(names_of(body)):
        fields, unused = await spec_fields(body, request.headers.get("model"), services)
        stream = chunked and body.latency != "normal"
        wanted = parse(SpeechRequest, {**fields, "text": body.text, "stream": stream})
        respond = streamed_audio if chunked else complete_audio
        return await respond(request, services, wanted, ignored([*unknown, *unused]))


def names_of(body: TtsBody) -> dict[str, str | None]:
    """What the gateway calls a field, and what this API does; see :func:`gateway.api.common.ignored_fields.renamed`."""
    return {**FIELDS, "bitrate": f"{body.format}_bitrate"}


async def spec_fields(body: TtsBody, model: str | None, services: Services) -> tuple[dict[str, Any], list[str]]:
    """Map a body to fields of a :class:`VoiceSpec`; also return the names of fields that have no effect here.

    :param model: an engine's name or alias; None or empty: the default engine.
    :raises EngineNotFound: if there is no such engine.
    :raises EngineUnavailable: if the engine has not been loaded yet; loading starts.
    """
    engine = services.engines.get(services.aliases.engine(model) if model else None)
    capabilities = engine.client.capabilities
    if capabilities is None:
        raise engine.client.unavailable()
    options = body.given(*_OPTIONS)
    unused = [name for name in options if not capabilities.supports(name)]
    fields: dict[str, Any] = {
        "engine": engine.name,
        "format": body.format,
        "sample_rate": body.sample_rate,
        "speed": body.prosody.speed,
        "volume": body.prosody.volume,
        "seed": None if body.seed is None else body.seed % (MAX_SEED + 1),
        "options": {name: fitted(name, value) for name, value in options.items() if capabilities.supports(name)},
        **_bitrate(body),
    }
    if body.reference_id is not None:
        fields["voice"] = await asyncio.to_thread(services.aliases.voice, engine.name, body.reference_id)
        unused += ["references"] * bool(body.references)
    elif body.references:
        fields |= {"reference_audio": body.references[0].audio, "reference_text": body.references[0].text}
        unused += [f"references.{index}" for index in range(1, len(body.references))]
    if not body.normalize:
        unused.append("normalize")
    return fields, unused


def _bitrate(body: TtsBody) -> dict[str, int]:
    if body.format == "mp3":
        return body.given("mp3_bitrate") and {"bitrate": body.mp3_bitrate}
    if body.format == "opus" and body.opus_bitrate > 0:
        return body.given("opus_bitrate") and {"bitrate": body.opus_bitrate}
    return {}


@router.get("/v1/health", summary="Is the process alive?")
async def health() -> dict[str, str]:
    """200 as long as the gateway answers at all."""
    return {"status": "ok"}


@router.post("/v1/asr", summary="Not offered: speech to text", response_model=None)
async def asr(services: ServicesDep) -> NoReturn:
    """404: speech is not transcribed here."""
    raise NotFound("this gateway speaks; it does not transcribe speech")


@router.get("/wallet/self/api-credit", summary="Not offered: credit", response_model=None)
@router.get("/wallet/self/package", summary="Not offered: packages", response_model=None)
async def wallet(services: ServicesDep) -> NoReturn:
    """404: there are no accounts here, and nothing is charged."""
    raise NotFound("this gateway keeps no accounts: there is no credit, and nothing is charged")
