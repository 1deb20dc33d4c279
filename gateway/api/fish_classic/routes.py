"""The classic HTTP API of Fish-Speech: v0.2.0 (``tools/api_server.py``), and ``/v1/invoke`` of April 2024."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse, RedirectResponse

from gateway.api.common.body import decode_base64
from gateway.api.common.deps import Services, ServicesDep, cancel_on_disconnect, deadline_at
from gateway.api.common.fish import ClassicRoute, clamp_option
from gateway.api.common.ignored_fields import ignored, read, renamed
from gateway.api.common.openapi import model_schema, request_body
from gateway.api.common.responses import speech_headers
from gateway.api.fish_classic.bodies import (
    CODEC_CHECKPOINT,
    LM_CHECKPOINTS,
    TOKENIZER,
    AprilInvokeBody,
    InvokeBody,
    LoadBody,
)
from gateway.engine.catalog import ConfiguredEngine
from gateway.service.classic.changes import Changes, Source
from gateway.service.classic.models import DEFAULT
from gateway.service.request import MAX_SEED, SpeechRequest, parse

BYTES_PER_CHARACTER = 3  # UTF-8 of Chinese and Japanese, for which the April 2024 limit was designed
MAX_CHUNK_BYTES = 1000
# Defaults in which the server of April 2024 differs; applied to engines that have the option.
APRIL_DEFAULTS = {"top_p": 0.7, "chunk_length": 30 * BYTES_PER_CHARACTER}

_SAMPLING = ("max_new_tokens", "top_k", "top_p", "repetition_penalty", "temperature", "speaker")
_FIELDS = {
    "voice": "prompt_tokens",
    "reference_audio": "prompt_tokens",
    "reference_text": "prompt_text",
    "engine": None,
}


router = APIRouter(tags=["Fish-Speech, classic"], route_class=ClassicRoute)


class LoadedModel(BaseModel):
    """The response to a PUT."""

    name: str


class DeletedModel(BaseModel):
    """The response to a DELETE."""

    message: str = "Model deleted."


_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio file.", "content": {"application/octet-stream": {}}},
    404: {"description": "No such model."},
}


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
    body, unknown = await read(request, LoadBody)
    settings = await asyncio.to_thread(_changes(body).apply, services.models.base, services.files)
    await cancel_on_disconnect(request, services.models.put(name, settings))
    graphs = ["llama.compile"] if settings.device == "cpu" and body.llama.given("compile").get("compile") else []
    response.headers.update(ignored([*unknown, *graphs, *_replaced_precision(body, name, services)]))
    return LoadedModel(name=name)


def _replaced_precision(body: LoadBody, name: str, services: Services) -> list[str]:
    """The field of a precision that the device does not have, so that the model uses another one."""
    engine = services.models.engine_of(name)
    if engine is None or "precision" not in body.llama.model_fields_set:
        return []
    capabilities = services.engines.get(engine).client.capabilities
    same = capabilities is None or capabilities.dtype in (None, body.llama.precision)
    return [] if same else ["llama.precision"]


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
    body, unknown = await read(request, InvokeBody, clip="prompt_tokens")
    if body.prompt_tokens is None and body.prompt_text:  # the original server spoke it before the text
        unknown = [*unknown, "prompt_text"]

    until = deadline_at(request, services)

    async def work() -> Response:
        with services.models.using(name) as model:
            wanted = await _classic_request(body, services)
            return await _speak(wanted, await services.models.wait_ready(model, until), services, until)

    with renamed(_FIELDS):
        response = await cancel_on_disconnect(request, work())
    response.headers.update(ignored(unknown))
    return response


@router.post(
    "/v1/invoke",
    summary="Speak (April 2024)",
    response_class=Response,
    openapi_extra=request_body(model_schema(AprilInvokeBody), required=False),
    responses=_AUDIO,
)
async def invoke_default(request: Request, services: ServicesDep) -> Response:
    """Speak `text` with the model `default`, as a complete file. The model is loaded first if necessary."""
    body, unknown = await read(request, AprilInvokeBody, clip="reference_audio")
    wanted = await asyncio.to_thread(_april_request, body)  # decodes megabytes of base64

    until = deadline_at(request, services)

    async def work() -> Response:
        with services.models.using(DEFAULT) as model:
            engine = await services.models.wait_ready(model, until)
            options = {**_supported(APRIL_DEFAULTS, engine), **wanted.options}
            return await _speak(wanted.model_copy(update={"options": options}), engine, services, until)

    with renamed({"engine": None}):
        response = await cancel_on_disconnect(request, work())
    response.headers.update(ignored(unknown))
    return response


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


def _changes(body: LoadBody) -> Changes:
    """The changes that a request contains; omitted fields stay as configured, not at their classic defaults."""
    llama, vqgan = body.llama.model_fields_set, body.vqgan.model_fields_set
    sources = {}
    if "checkpoint_path" in llama:
        sources["lm_checkpoint"] = Source(body.llama.checkpoint_path, "llama.checkpoint_path", LM_CHECKPOINTS)
    if "tokenizer" in llama:
        sources["tokenizer"] = Source(body.llama.tokenizer, "llama.tokenizer", (TOKENIZER,), is_folder=True)
    if "checkpoint_path" in vqgan:
        sources["codec_checkpoint"] = Source(body.vqgan.checkpoint_path, "vqgan.checkpoint_path", (CODEC_CHECKPOINT,))
    return Changes(
        device=body.device if "device" in body.model_fields_set else None,
        dtype=body.llama.precision if "precision" in llama else None,
        sources=sources,
        # null: if the device has graphs. Clients send true for every device.
        model={"compile": None if body.llama.compile else False} if "compile" in llama else {},
    )


def _options(body: InvokeBody | AprilInvokeBody, *further: str) -> dict[str, Any]:
    """Map the fields of a request to engine options. Engines refuse options that they do not have."""
    options = body.given(*_SAMPLING, *further)
    if not options.get("speaker", True):
        del options["speaker"]
    return {name: value if isinstance(value, str) else clamp_option(name, value) for name, value in options.items()}


async def _classic_request(body: InvokeBody, services: Services) -> SpeechRequest:
    options = _options(body, "order", "use_g2p")
    voice: dict[str, Any] = {}
    if body.prompt_tokens is not None:
        voice = await services.prompts.voice_fields(body.prompt_tokens, body.prompt_text, "prompt_tokens")
        options |= voice.pop("options", {})
    seed = None if body.seed is None else body.seed % (MAX_SEED + 1)
    return parse(SpeechRequest, {"text": body.text, "seed": seed, **voice, "options": options})


def _april_request(body: AprilInvokeBody) -> SpeechRequest:
    options = _options(body)
    if "chunk_length" in body.model_fields_set:
        options["chunk_length"] = min(MAX_CHUNK_BYTES, body.chunk_length * BYTES_PER_CHARACTER)
    fields: dict[str, Any] = {
        "text": body.text,
        "format": body.format,
        "reference_text": body.reference_text,
        "options": options,
    }
    if body.reference_audio is not None:
        fields["reference_audio"] = decode_base64(body.reference_audio, "reference_audio")
    return parse(SpeechRequest, fields)


def _supported(options: Mapping[str, Any], engine: ConfiguredEngine) -> dict[str, Any]:
    capabilities = engine.client.capabilities
    return {name: value for name, value in options.items() if capabilities and capabilities.supports(name)}


async def _speak(wanted: SpeechRequest, engine: ConfiguredEngine, services: Services, until: float) -> Response:
    """Respond with the complete file, so that every error has a status; without a length, as the original server."""
    wanted = wanted.model_copy(update={"engine": engine.name})
    speech = await services.synthesizer.speak(wanted, or_silence=True, deadline_at=until)
    info = speech.info
    disposition = f"attachment; filename=audio.{info.format.extension}"
    headers = {**speech_headers(info), "Content-Disposition": disposition}
    response = Response(speech.data, media_type="application/octet-stream", headers=headers)
    del response.headers["content-length"]
    return response
