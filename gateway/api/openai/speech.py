"""OpenAI's API for speech: ``POST /v1/audio/speech``, and the models that it can be asked for."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from gateway.api.common.deps import Services, ServicesDep, request_id
from gateway.api.common.ignored_fields import ignored, read
from gateway.api.common.openapi import model_schema, request_body
from gateway.api.common.responses import complete_audio, streamed_audio
from gateway.api.openai.bodies import SpeechBody
from gateway.api.openai.errors import OpenAIRoute
from gateway.api.openai.sse import SpeechEvents
from gateway.errors import InvalidRequest
from gateway.service.request import SpeechRequest

router = APIRouter(tags=["OpenAI"], route_class=OpenAIRoute)

_SPEECH_BODY = request_body(
    model_schema(SpeechBody),
    examples={
        "plain": {
            "summary": "As OpenAI's client sends it",
            "value": {"model": "tts-1", "voice": "alloy", "input": "Hello from Voxgate."},
        }
    },
)
_SPEECH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, sent while it is being made; with `stream_format: sse`, events.",
        "content": {"audio/mpeg": {}, "text/event-stream": {}},
    },
    400: {"description": "A field is wrong; `error.param` names it."},
    404: {"description": "No such model or voice."},
    429: {"description": "Too many requests wait for the engine; see Retry-After."},
    503: {"description": "The engine is not ready; see Retry-After."},
}


@router.post(
    "/v1/audio/speech",
    summary="Speak a text",
    response_class=Response,
    openapi_extra=_SPEECH_BODY,
    responses=_SPEECH_RESPONSES,
)
async def speak(request: Request, services: ServicesDep) -> Response:
    """Speak `input` with the engine and voice that `model` and `voice` stand for."""
    body, unknown = await read(request, SpeechBody)
    wanted, unused = await _speech_request(body, services)
    headers = ignored([*unknown, *unused])
    if not body.stream:
        return await complete_audio(request, services, wanted, headers)
    if body.stream_format == "audio":
        return await streamed_audio(request, services, wanted, headers)
    events = partial(SpeechEvents, request_id=request_id(request), input_tokens=len(body.input))
    return await streamed_audio(request, services, wanted, headers, events)


@router.get("/v1/models", summary="List models")
async def list_models(services: ServicesDep) -> dict[str, Any]:
    """`data` is what `/v1/audio/speech` may be asked for: engines, aliases, and the models of the classic Fish-Speech
    API. `models` are the names of the latter, as its own clients expect it.
    """
    data = [_model(name, created) for name, created in _models(services).items()]
    return {"models": [model.name for model in services.models.listed()], "object": "list", "data": data}


class _ModelId(Convertor[str]):
    """A model's name, which may have slashes, but is not what the classic Fish-Speech API calls one of its routes."""

    regex = "(?!.*/invoke$).+"

    def convert(self, value: str) -> str:
        """From a path."""
        return value

    def to_string(self, value: str) -> str:
        """Into a path."""
        return value


register_url_convertor("model_id", _ModelId())


@router.get("/v1/models/{model_id:model_id}", summary="One model")
async def show_model(model_id: str, services: ServicesDep) -> dict[str, Any]:
    """The same for one of them."""
    services.aliases.engine(model_id)
    return _model(model_id, _models(services).get(model_id, services.engines.since_s))


@router.get("/v1/audio/models", summary="List models, as Open WebUI asks for them")
async def list_audio_models(services: ServicesDep) -> dict[str, Any]:
    """Their names only."""
    return {"models": [{"id": name} for name in _models(services)]}


async def _speech_request(body: SpeechBody, services: Services) -> tuple[SpeechRequest, list[str]]:
    """What is asked of the gateway, and the fields that mean nothing to the engine."""
    if body.stream_format == "sse" and not body.stream:
        raise InvalidRequest("events come while the audio is made; leave it out", param="stream")
    engine = services.engines.get(services.aliases.engine(body.model) if body.model else None)
    voice = None
    if body.voice:
        voice = await asyncio.to_thread(services.aliases.voice, engine.name, body.voice)
    options, unused = body.options, []
    if body.instructions:
        capabilities = engine.client.capabilities
        if capabilities and capabilities.supports("instructions"):
            options = {"instructions": body.instructions, **options}
        else:
            unused = ["instructions"]
    if body.reference_audio:  # base64 of megabytes
        return await asyncio.to_thread(body.speech_request, engine.name, voice, options), unused
    return body.speech_request(engine.name, voice, options), unused


def _models(services: Services) -> dict[str, int]:
    """Names of models, and since when each can be asked for, in Unix time."""
    since = dict.fromkeys([*services.settings.engines, *services.aliases.models], services.engines.since_s)
    for model in services.models.listed():
        since.setdefault(model.name, model.since_s)
    return since


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "voxgate"}
