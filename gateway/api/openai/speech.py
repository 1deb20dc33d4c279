"""OpenAI's speech API: ``POST /v1/audio/speech``, and the models that it accepts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from gateway.api.common.deps import Services, ServicesDep, cancel_on_disconnect, deadline_at, request_id
from gateway.api.common.ignored_fields import ignored, read
from gateway.api.common.openapi import audio, model_schema, request_body
from gateway.api.common.responses import complete_audio, streamed_audio
from gateway.api.common.route import SPEECH_ERRORS, raises
from gateway.api.openai.bodies import CLIP_ALIASES, SpeechBody
from gateway.api.openai.errors import OpenAIRoute
from gateway.api.openai.sse import SpeechEvents
from gateway.errors import EngineNotFound, GatewayError, InvalidRequest, VoiceNotFound
from gateway.service.aliases import OPENAI_VOICES
from gateway.service.classic.models import DEFAULT
from gateway.service.request import SpeechRequest

router = APIRouter(tags=["OpenAI"], route_class=OpenAIRoute)

_VOICE_PARAMS = frozenset({"voice", "reference_audio", "reference_text"})  # what a voice that cannot be used fails with
_SPEECH_BODY = request_body(
    model_schema(SpeechBody),
    examples={
        "plain": {
            "summary": "A request of OpenAI's client",
            "value": {"model": "tts-1", "voice": "alloy", "input": "Hello from Voxgate."},
        }
    },
)
_SPEECH_RESPONSES = audio(
    "The audio, sent while it is generated; with `stream_format: sse`, events.", "text/event-stream"
)


@router.post(
    "/v1/audio/speech",
    summary="Speak a text",
    response_class=Response,
    openapi_extra=_SPEECH_BODY,
    responses=_SPEECH_RESPONSES,
)
@raises(*SPEECH_ERRORS)
async def speak(request: Request, services: ServicesDep) -> Response:
    """Speak `input` with the engine and voice selected by `model` and `voice`."""
    body, unknown = await read(request, SpeechBody, clip="reference_audio")
    with _as_sent(body):
        mapping = _speech_request(body, services, deadline_at(request, services))
        wanted, unused = await cancel_on_disconnect(request, mapping)
        unused = [*unknown, *unused]
        try:
            return await _respond(request, services, body, wanted, unused)
        except (InvalidRequest, VoiceNotFound) as error:
            # A voice that is stored under one of OpenAI's names must not fail the clients that send it by default.
            is_default = (body.voice or "").lower() in OPENAI_VOICES
            if not is_default or wanted.voice is None or error.param not in _VOICE_PARAMS:
                raise
            default = wanted.model_copy(update={"voice": None})
            return await _respond(request, services, body, default, [*unused, "voice"])


@contextmanager
def _as_sent(body: SpeechBody) -> Iterator[None]:
    """Name a field in errors as the client did."""
    try:
        yield
    except GatewayError as error:
        names = {name: alias for alias, name in CLIP_ALIASES.items() if getattr(body, alias) is not None}
        error.param = names.get(error.param or "", error.param)
        raise


@router.get("/v1/models", summary="List models")
async def list_models(services: ServicesDep) -> dict[str, Any]:
    """`data` lists the models that `/v1/audio/speech` accepts: engines, aliases, `default`
    (the default engine), and classic Fish-Speech models.

    `models` lists the names of the classic models, in the format that Fish-Speech clients expect.
    """
    data = [_model(name, created) for name, created in _models(services).items()]
    return {"models": [model.name for model in services.models.listed()], "object": "list", "data": data}


class _ModelId(Convertor[str]):
    """A model's name, which may contain slashes; excludes the classic Fish-Speech route ``…/invoke``."""

    regex = "(?!.*/invoke$).+"

    def convert(self, value: str) -> str:
        """Convert from a path."""
        return value

    def to_string(self, value: str) -> str:
        """Convert to a path."""
        return value


register_url_convertor("model_id", _ModelId())


@router.get("/v1/models/{model_id:model_id}", summary="Show a model")
@raises(EngineNotFound)
async def show_model(model_id: str, services: ServicesDep) -> dict[str, Any]:
    """One entry of `data` in `GET /v1/models`."""
    services.aliases.engine(model_id)
    return _model(model_id, _models(services).get(model_id, services.engines.since_s))


@router.get("/v1/audio/models", summary="List models for Open WebUI")
async def list_audio_models(services: ServicesDep) -> dict[str, Any]:
    """The names of the models."""
    return {"models": [{"id": name} for name in _models(services)]}


async def _respond(
    request: Request, services: Services, body: SpeechBody, wanted: SpeechRequest, unused: list[str]
) -> Response:
    headers = ignored(unused)
    if not body.stream:
        return await complete_audio(request, services, wanted, headers, or_silence=True)
    if body.stream_format == "audio":
        return await streamed_audio(request, services, wanted, headers, or_silence=True)
    events = partial(SpeechEvents, request_id=request_id(request), input_tokens=len(body.input))
    return await streamed_audio(request, services, wanted, headers, or_silence=True, stream=events)


async def _speech_request(body: SpeechBody, services: Services, until: float) -> tuple[SpeechRequest, list[str]]:
    """Map the body to a SpeechRequest; also return the fields that the engine ignores.

    :param until: end of the wait for an engine that has not been loaded yet, on the event loop's clock.
    """
    if body.stream_format == "sse" and not body.stream:
        raise InvalidRequest("cannot be false with stream_format sse: omit it", param="stream")
    engine = services.engines.get(services.aliases.engine(body.model) if body.model else None)
    capabilities = await engine.capabilities(until)
    voice = None
    if body.voice:
        voice = await asyncio.to_thread(services.aliases.voice, engine.name, body.voice)
    options = body.options
    unused: list[str] = []
    if body.instructions:
        if capabilities.supports("instructions"):
            options = {"instructions": body.instructions, **options}
        else:
            unused = ["instructions"]
    if body.reference_audio or body.ref_audio:  # decoding megabytes of base64 would block the event loop
        return await asyncio.to_thread(body.speech_request, engine.name, voice, options), unused
    return body.speech_request(engine.name, voice, options), unused


def _models(services: Services) -> dict[str, int]:
    """Names of models, mapped to their creation times (Unix time)."""
    names = [*services.settings.engines, *services.aliases.models, DEFAULT]
    since = dict.fromkeys(names, services.engines.since_s)
    for model in services.models.listed():
        since.setdefault(model.name, model.since_s)
    return since


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "voxgate"}
