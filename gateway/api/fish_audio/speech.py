"""The HTTP API of Fish Audio and of Fish-Speech's own server from version 1.4 on: speech.

The voices are in :mod:`gateway.api.fish_audio.models` and :mod:`gateway.api.fish_audio.references`, the codec in
:mod:`gateway.api.fish_audio.codec`, the socket for text in pieces in :mod:`gateway.api.fish_audio.live`.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from fastapi import APIRouter, Request, Response

from gateway.api.common.deps import Services, ServicesDep, unless_gone
from gateway.api.common.errors import EnvelopedRoute, Problem
from gateway.api.common.ignored_fields import ignored, renamed, schema
from gateway.api.common.responses import AudioStream, speech_headers
from gateway.api.fish_audio.bodies import TtsBody, read_tts
from gateway.api.fish_classic.routes import LEAST_TOP_P, LONGEST_CONTEXT
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


class FishAudioRoute(EnvelopedRoute):
    """Errors are ``{"status", "message"}``, which is what both clients of ``fish-audio-sdk`` read."""

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error answer; the field at fault stands in front of the message."""
        return {"status": problem.status, "message": problem.described}


router = APIRouter(tags=["Fish Audio"], route_class=FishAudioRoute)


def _documentation() -> dict[str, Any]:
    fields = schema(TtsBody)
    reference = {"type": "object", "properties": {"audio": {"type": "string"}, "text": {"type": "string"}}}
    fields["properties"]["references"] = {"type": "array", "items": reference}
    kinds = ("application/msgpack", "application/json", "multipart/form-data")
    model = {"name": "model", "in": "header", "schema": {"type": "string"}, "description": "an engine or an alias"}
    return {"requestBody": {"content": {kind: {"schema": fields} for kind in kinds}}, "parameters": [model]}


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
        fields, unused = await speech_fields(body, request.headers.get("model"), services)
        wanted = parse(SpeechRequest, {**fields, "stream": chunked and body.latency != "normal"})
        headers = ignored([*unknown, *unused])
        if not chunked:
            info, data, duration_s = await unless_gone(request, services.synthesizer.speak(wanted))
            headers |= {**speech_headers(info), "X-Voxgate-Duration": f"{duration_s:.3f}"}
            return Response(data, media_type=info.format.content_type(info.sample_rate_hz), headers=headers)
        speech = await unless_gone(request, services.synthesizer.open(wanted))
    answer = AudioStream(speech, services.metrics, services.settings.limits.stall_s)
    answer.headers.update(headers)
    return answer


def names_of(body: TtsBody) -> dict[str, str | None]:
    """What the gateway calls a field, and what this API does; see :func:`gateway.api.common.ignored_fields.renamed`."""
    return {**FIELDS, "bitrate": f"{body.format}_bitrate"}


async def speech_fields(body: TtsBody, model: str | None, services: Services) -> tuple[dict[str, Any], list[str]]:
    """What a body asks for, as fields of a :class:`SpeechRequest`, and which of its own mean nothing to the engine.

    :param model: the engine, or what stands for it; None or empty: the default engine.
    :raises EngineNotFound: there is none of that name.
    :raises EngineUnavailable: nothing is known of the engine yet; it begins to load.
    """
    engine = services.engines.get(services.aliases.engine(model) if model else None)
    capabilities = engine.client.capabilities
    if capabilities is None:
        raise engine.client.unavailable()
    known = capabilities.options_schema.get("properties", {})
    options = body.given(*_OPTIONS)
    unused = [name for name in options if name not in known]
    fields: dict[str, Any] = {
        "text": body.text,
        "engine": engine.name,
        "format": body.format,
        "sample_rate": body.sample_rate,
        "speed": body.prosody.speed,
        "volume": body.prosody.volume,
        "seed": None if body.seed is None else body.seed % (MAX_SEED + 1),
        "options": {name: _fitted(name, value) for name, value in options.items() if name in known},
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


def _fitted(name: str, value: float) -> float:
    """Values at which these mean the same as just inside the range that engines take."""
    if name == "top_p":
        return max(LEAST_TOP_P, value)
    return min(LONGEST_CONTEXT, value) if name == "max_new_tokens" else value


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
