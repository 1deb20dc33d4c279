"""``POST /tts``: the native API."""

from __future__ import annotations

import base64
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.responses import JSONResponse

from gateway.api.body import read
from gateway.api.deps import ServiceRoute, Services, ServicesDep, unless_gone
from gateway.api.respond import AudioStream, speech_headers
from gateway.errors import InvalidRequest
from gateway.service.request import SpeechRequest
from gateway.service.speech import SpeechInfo

router = APIRouter(tags=["speech"], route_class=ServiceRoute)


class TtsBody(SpeechRequest):
    """A SpeechRequest and how to wrap the answer."""

    response: Literal["binary", "base64"] = Field("binary", description="audio bytes, or a JSON object around base64")
    markdown: bool | None = Field(
        None, description="whether the text is Markdown, to be made speakable; default: a model's response is"
    )


def documentation() -> dict[str, Any]:
    """A TtsBody for OpenAPI."""
    schema = TtsBody.model_json_schema()
    schema["properties"]["reference_audio"] = {
        "type": "string",
        "description": TtsBody.model_fields["reference_audio"].description,
    }
    schema["properties"]["text"] = {
        **schema["properties"]["text"],
        "type": ["string", "object", "array"],
        "description": f"{TtsBody.model_fields['text'].description}; or a model's response, or its stream's events",
    }
    form = {**schema, "properties": {**schema["properties"], "reference_audio": {"type": "string", "format": "binary"}}}
    examples = {
        "plain": {"summary": "The default voice", "value": {"text": "Hello from Voxgate."}},
        "mp3": {
            "summary": "MP3 from a chosen engine, reproducibly",
            "value": {"text": "Same seed, same bytes.", "engine": "lite", "format": "mp3", "seed": 7, "speed": 1.2},
        },
        "stream": {
            "summary": "Audio while it is being made",
            "value": {"text": "The first sentence plays. The second is still being made.", "stream": True},
        },
        "base64": {
            "summary": "A JSON object with the audio in base64",
            "value": {"text": "Wrapped in JSON.", "response": "base64", "format": "flac"},
        },
        "response": {
            "summary": "What a model on Amazon Bedrock answered",
            "value": {
                "text": {"output": {"message": {"role": "assistant", "content": [{"text": "**Hello** there."}]}}}
            },
        },
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "examples": examples},
                "multipart/form-data": {"schema": form},
            },
        },
        "parameters": [
            {"name": name, "in": "query", "schema": schema["properties"][name], "description": "instead of the body's"}
            for name in schema["properties"]
            if name not in ("reference_audio", "options")
        ],
    }


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio; its Content-Type follows `format`.", "content": {"audio/wav": {}}},
    404: {"description": "No such engine or voice."},
    413: {"description": "The body is over limits.body_bytes."},
    422: {"description": "A field is wrong; `error.param` names it."},
    429: {"description": "Too many requests wait for the engine; see Retry-After."},
    503: {"description": "The engine is not ready; see Retry-After."},
    504: {"description": "Not finished within limits.deadline_s."},
}


@router.post("/tts", summary="Speak a text", openapi_extra=documentation(), responses=RESPONSES, response_model=None)
async def tts(request: Request, services: ServicesDep) -> Response:
    """Speak `text` with the engine and voice asked for."""
    return await answer(request, services, await read(request, TtsBody, file="reference_audio"))


async def answer(request: Request, services: Services, body: TtsBody) -> Response:
    """Speak, and wrap the audio as asked for.

    :raises GatewayError: why there is none.
    """
    if body.stream and body.response == "base64":
        raise InvalidRequest("a stream cannot be wrapped in JSON; use binary", param="response")
    if body.stream:
        speech = await unless_gone(request, services.synthesizer.open(body))
        return AudioStream(speech, services.metrics, services.settings.limits.stall_s)
    info, data, duration_s = await unless_gone(request, services.synthesizer.speak(body))
    headers = {**speech_headers(info), "X-Voxgate-Duration": f"{duration_s:.3f}"}
    if body.response == "base64":
        return JSONResponse(_wrapped(info, data, duration_s), headers=headers)
    return Response(data, media_type=info.format.content_type(info.sample_rate_hz), headers=headers)


def _wrapped(info: SpeechInfo, data: bytes, duration_s: float) -> dict[str, Any]:
    return {
        "audio": base64.b64encode(data).decode(),
        "format": info.format.name,
        "sample_rate": info.sample_rate_hz,
        "duration_s": round(duration_s, 3),
        "engine": info.engine,
        "model": info.model,
        "voice": info.voice,
        "seed": info.seed,
    }
