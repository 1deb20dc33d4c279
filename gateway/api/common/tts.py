"""The native speech request and its response, shared by ``/tts`` and SageMaker's ``/invocations``."""

from __future__ import annotations

import base64
from typing import Any, Literal

from fastapi import Request, Response
from pydantic import Field
from starlette.responses import JSONResponse

from gateway.api.common.deps import Services, cancel_on_disconnect, deadline_at
from gateway.api.common.events import NDJSON, streamed_events
from gateway.api.common.openapi import FORM, JSON, request_body
from gateway.api.common.responses import complete_audio, duration_header, speech_headers, streamed_audio
from gateway.errors import InvalidRequest
from gateway.service.request import SpeechRequest
from gateway.service.speech import CompleteSpeech


class TtsBody(SpeechRequest):
    """A SpeechRequest with the format of the response."""

    response: Literal["binary", "base64", "events"] = Field(
        "binary",
        description="audio bytes, a JSON object around base64, or JSON lines that also say which text is spoken when",
    )
    markdown: bool | None = Field(
        None, description="whether the text is Markdown; default: true for a language model's response"
    )


def as_in_tts(name: str) -> Any:
    """An optional field of another body that means the same as in ``/tts``."""
    return Field(None, description=SpeechRequest.model_fields[name].description)


def documentation() -> dict[str, Any]:
    """A TtsBody in the OpenAPI document: body, form and query parameters."""
    schema = TtsBody.model_json_schema()
    schema["properties"]["reference_audio"] = {
        "type": "string",
        "description": TtsBody.model_fields["reference_audio"].description,
    }
    schema["properties"]["text"] = {
        **schema["properties"]["text"],
        "type": ["string", "object", "array"],
        "description": f"{TtsBody.model_fields['text'].description}; or a language model's response or stream events",
    }
    schema["properties"]["response"] = {
        "anyOf": [schema["properties"]["response"], {"type": ["object", "array"]}],
        "default": "binary",
        "description": f"{TtsBody.model_fields['response'].description}; or a language model's response",
    }
    form = {**schema, "properties": {**schema["properties"], "reference_audio": {"type": "string", "format": "binary"}}}
    examples = {
        "plain": {"summary": "The default voice", "value": {"text": "Hello from Voxgate."}},
        "mp3": {
            "summary": "MP3 from a chosen engine, reproducibly",
            "value": {"text": "Same seed, same bytes.", "engine": "lite", "format": "mp3", "seed": 7, "speed": 1.2},
        },
        "stream": {
            "summary": "Audio while it is generated",
            "value": {"text": "The first sentence plays. The second is still being generated.", "stream": True},
        },
        "base64": {
            "summary": "A JSON object with the audio in base64",
            "value": {"text": "Wrapped in JSON.", "response": "base64", "format": "flac"},
        },
        "events": {
            "summary": "Audio, and the text that it speaks, line by line",
            "value": {"text": "One sentence. And another one.", "response": "events", "format": "pcm"},
        },
        "response": {
            "summary": "A response of a model on Amazon Bedrock",
            "value": {
                "text": {"output": {"message": {"role": "assistant", "content": [{"text": "**Hello** there."}]}}}
            },
        },
    }
    found = request_body(schema, (JSON,), examples=examples)
    found["requestBody"]["content"][FORM] = {"schema": form}
    return {
        **found,
        "parameters": [
            {
                "name": name,
                "in": "query",
                "schema": schema["properties"][name],
                "description": "instead of the body field",
            }
            for name in schema["properties"]
            if name not in ("reference_audio", "options")
        ],
    }


def query_documentation() -> dict[str, Any]:
    """The fields of a TtsBody in the OpenAPI document as query parameters alone."""
    parameters = documentation()["parameters"]
    return {
        "parameters": [
            {"name": field["name"], "in": "query", "required": field["name"] == "text", "schema": field["schema"]}
            for field in parameters
        ]
    }


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio; its Content-Type follows `format`.", "content": {"audio/wav": {}, NDJSON: {}}},
    404: {"description": "No such engine or voice."},
    413: {"description": "The body is over limits.body_bytes."},
    422: {"description": "A field is invalid; `error.param` names it."},
    429: {"description": "The engine's queue is full; see Retry-After."},
    503: {"description": "The engine is not ready; see Retry-After."},
    504: {"description": "Not finished within limits.deadline_s."},
}


async def respond(request: Request, services: Services, body: TtsBody) -> Response:
    """Speak the text and respond with audio, with JSON that contains it, or with events.

    :raises GatewayError: if synthesis fails.
    """
    if body.response == "base64":
        if body.stream:
            raise InvalidRequest("base64 cannot be streamed: use binary, or stream false", param="response")
        speaking = services.synthesizer.speak(body, deadline_at=deadline_at(request, services))
        speech = await cancel_on_disconnect(request, speaking)
        headers = {**speech_headers(speech.info), **duration_header(speech.duration_s)}
        return JSONResponse(_wrapped(speech), headers=headers)
    if body.response == "events":
        return await streamed_events(request, services, body)
    return await (streamed_audio if body.stream else complete_audio)(request, services, body)


def _wrapped(speech: CompleteSpeech) -> dict[str, Any]:
    info = speech.info
    return {
        "audio": base64.b64encode(speech.data).decode(),
        "format": info.format.name,
        "sample_rate": info.sample_rate_hz,
        "duration_s": round(speech.duration_s, 3),
        "engine": info.engine,
        "model": info.model,
        "voice": info.voice,
        "seed": info.seed,
        "spoken_text": speech.spoken_text,
    }
