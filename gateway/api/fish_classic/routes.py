"""The classic HTTP API of Fish-Speech: v0.2.0 (``tools/api_server.py``), and ``/v1/invoke`` of April 2024."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse, RedirectResponse

from gateway.api.common.body import decode_base64
from gateway.api.common.deps import Services, ServicesDep, cancel_on_disconnect, deadline_at
from gateway.api.common.fish import ClassicRoute
from gateway.api.common.ignored_fields import ignored, read, renamed
from gateway.api.common.openapi import model_schema, request_body
from gateway.api.common.responses import speech_headers
from gateway.api.fish_classic.bodies import AprilInvokeBody, InvokeBody
from gateway.service.classic.load_request import LoadBody, engine_settings
from gateway.service.classic.models import DEFAULT
from gateway.service.classic.prompts import voice_fields
from gateway.service.request import MAX_SEED, SpeechRequest, parse
from gateway.service.speech import CompleteSpeech

BYTES_PER_CHARACTER = 3  # UTF-8 of Chinese and Japanese, for which the April 2024 limit was designed
MAX_CHUNK_BYTES = 1000
# Defaults in which the server of April 2024 differs; applied to engines that have the option.
APRIL_DEFAULTS = {"top_p": 0.7, "chunk_length": 30 * BYTES_PER_CHARACTER}

_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio file.", "content": {"application/octet-stream": {}}},
    404: {"description": "No such model."},
}

router = APIRouter(tags=["Fish-Speech, classic"], route_class=ClassicRoute)


class LoadedModel(BaseModel):
    """The response to a PUT."""

    name: str


class DeletedModel(BaseModel):
    """The response to a DELETE."""

    message: str = "Model deleted."


@router.put(
    "/v1/models/{name}",
    summary="Load a model",
    openapi_extra=request_body(model_schema(LoadBody), required=False),
    responses={500: {"description": "Loading failed; the name is free again."}},
)
async def load_model(name: str, request: Request, response: Response, services: ServicesDep) -> LoadedModel:
    """Load a model under a name, replacing any model of that name; respond when it is loaded.

    An empty body loads the configured model. Loading continues if the client disconnects.
    """
    body, unused = await read(request, LoadBody)
    settings = await asyncio.to_thread(engine_settings, body, services.models.base, services.files)
    engine = await cancel_on_disconnect(request, services.models.put(name, settings))
    llama, capabilities = body.llama.given("compile", "precision"), engine.client.capabilities
    if settings.device == "cpu" and llama.get("compile"):
        unused.append("llama.compile")
    if "precision" in llama and capabilities and capabilities.dtype not in (None, llama["precision"]):
        unused.append("llama.precision")
    response.headers.update(ignored(unused))
    return LoadedModel(name=name)


@router.delete("/v1/models/{name}", summary="Unload a model")
async def delete_model(name: str, services: ServicesDep) -> DeletedModel:
    """Remove a model at once; respond when its requests have finished and its memory is free."""
    await services.models.delete(name)
    return DeletedModel()


@router.post(
    "/v1/models/{name}/invoke",
    summary="Speak with a model",
    response_class=Response,
    openapi_extra=request_body(model_schema(InvokeBody), required=False),
    responses=_AUDIO,
)
async def invoke(name: str, request: Request, services: ServicesDep) -> Response:
    """Speak `text` as a complete WAV file. A model that is not loaded is loaded first."""
    body, unused = await read(request, InvokeBody, clip="prompt_tokens")
    if body.prompt_tokens is None and body.prompt_text:  # the original server spoke it before the text
        unused.append("prompt_text")
    names = {"voice": "prompt_tokens", "reference_audio": "prompt_tokens", "reference_text": "prompt_text"}
    with renamed({**names, "engine": None}):
        return await _speak(request, services, name, partial(_classic_request, body, services), unused)


@router.post(
    "/v1/invoke",
    summary="Speak (April 2024)",
    response_class=Response,
    openapi_extra=request_body(model_schema(AprilInvokeBody), required=False),
    responses=_AUDIO,
)
async def invoke_default(request: Request, services: ServicesDep) -> Response:
    """Speak `text` with the model `default`, as a complete file. The model is loaded first if necessary."""
    body, unused = await read(request, AprilInvokeBody, clip="reference_audio")
    with renamed({"engine": None}):
        return await _speak(request, services, DEFAULT, partial(_april_request, body), unused, APRIL_DEFAULTS)


@router.post("/v1/health", summary="Liveness")
async def health() -> dict[str, str]:
    """200 while the gateway responds; POST as in April 2024."""
    return {"status": "ok"}


@router.get("/docs/", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Redirect from the original location of the documentation."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")


@router.get("/docs/json", include_in_schema=False)
async def docs_json(request: Request) -> Response:
    """The OpenAPI schema at its original location."""
    schema, root_path = request.app.openapi(), request.scope.get("root_path")
    return JSONResponse({**schema, "servers": [{"url": root_path}]} if root_path else schema)


def _classic_request(body: InvokeBody, services: Services) -> SpeechRequest:
    voice: dict[str, Any] = {}
    if body.prompt_tokens is not None:
        voice = voice_fields(body.prompt_tokens, body.prompt_text, services.files, services.voices)
    options = {**body.options(), **voice.pop("options", {})}
    seed = None if body.seed is None else body.seed % (MAX_SEED + 1)
    return parse(SpeechRequest, {"text": body.text, "seed": seed, **voice, "options": options})


def _april_request(body: AprilInvokeBody) -> SpeechRequest:
    options = body.options()
    if "chunk_length" in body.model_fields_set:
        options["chunk_length"] = min(MAX_CHUNK_BYTES, body.chunk_length * BYTES_PER_CHARACTER)
    clip = None if body.reference_audio is None else decode_base64(body.reference_audio, "reference_audio")
    voice = {"reference_audio": clip, "reference_text": body.reference_text}
    return parse(SpeechRequest, {"text": body.text, "format": body.format, **voice, "options": options})


async def _speak(
    request: Request,
    services: Services,
    name: str,
    speech_request: Callable[[], SpeechRequest],
    unused: Sequence[str],
    defaults: Mapping[str, Any] | None = None,
) -> Response:
    """Respond with the complete file, so that every error has a status; without a length, as the original server.

    :param name: the model's.
    :param speech_request: makes the request, apart from its engine; called in a thread, because it may read files.
    :param unused: fields to report as ignored.
    :param defaults: of options that the engine has.
    """
    until = deadline_at(request, services)

    async def speech() -> CompleteSpeech:
        async with services.models.using(name, until) as engine:
            wanted = await asyncio.to_thread(speech_request)
            capabilities = await engine.capabilities(until)
            options = {option: value for option, value in (defaults or {}).items() if capabilities.supports(option)}
            wanted = wanted.model_copy(update={"engine": engine.name, "options": {**options, **wanted.options}})
            return await services.synthesizer.speak(wanted, or_silence=True, deadline_at=until)

    spoken = await cancel_on_disconnect(request, speech())
    disposition = f"attachment; filename=audio.{spoken.info.format.extension}"
    headers = {**speech_headers(spoken.info), "Content-Disposition": disposition, **ignored(unused)}
    response = Response(spoken.data, media_type="application/octet-stream", headers=headers)
    del response.headers["content-length"]
    return response
