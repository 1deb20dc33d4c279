"""The classic HTTP API of Fish-Speech (v0.2.0 ``tools/api_server.py``), and that of April 2024 beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse, RedirectResponse

from gateway.api.common.body import decode_base64
from gateway.api.common.deps import Services, ServicesDep, unless_gone
from gateway.api.common.errors import EnvelopedRoute, Problem
from gateway.api.common.ignored_fields import ignored, read, renamed, schema
from gateway.api.common.responses import speech_headers
from gateway.api.fish_classic.bodies import (
    CODEC_CHECKPOINT,
    LM_CHECKPOINT,
    TOKENIZER,
    AprilInvokeBody,
    InvokeBody,
    LoadBody,
)
from gateway.engine.catalog import ConfiguredEngine
from gateway.service.classic.changes import Changes, Source
from gateway.service.classic.models import DEFAULT
from gateway.service.request import MAX_SEED, SpeechRequest, parse

BYTES_PER_CHARACTER = 3  # of UTF-8 in Chinese and Japanese, which the limit of April 2024 was made for
LONGEST_PIECE_BYTES = 1000
LONGEST_CONTEXT = 4096  # a limit beyond it was cut to it
# The values at which these meant the same as just inside the range that engines take.
LEAST_TOP_P = 1e-6
LEAST_PENALTY = 0.1
# Where the server of April 2024 had other defaults, they hold for engines that have such an option.
APRIL_DEFAULTS = {"top_p": 0.7, "chunk_length": 30 * BYTES_PER_CHARACTER}

_SAMPLING = ("max_new_tokens", "top_k", "top_p", "repetition_penalty", "temperature", "speaker")
_FIELDS = {
    "voice": "prompt_tokens",
    "reference_audio": "prompt_tokens",
    "reference_text": "prompt_text",
    "engine": None,
}


class ClassicRoute(EnvelopedRoute):
    """Errors are ``{"statusCode", "message", "error"}``."""

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """The body of an error answer; the field at fault stands in front of the message."""
        return {"statusCode": problem.status, "message": problem.described, "error": problem.phrase}


router = APIRouter(tags=["Fish-Speech, classic"], route_class=ClassicRoute)


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema(model)}}}}


class Loaded(BaseModel):
    """The answer to a PUT."""

    name: str


class Deleted(BaseModel):
    """The answer to a DELETE."""

    message: str = "Model deleted."


_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The audio file.", "content": {"application/octet-stream": {}}},
    404: {"description": "There is no such model."},
}


@router.put(
    "/v1/models/{name}",
    summary="Load a model",
    openapi_extra=_body(LoadBody),
    responses={500: {"description": "It cannot be loaded; the name is free again."}},
)
async def load_model(name: str, request: Request, response: Response, services: ServicesDep) -> Loaded:
    """Load a model under a name, in place of what had it; answers when it is loaded. An empty body loads the configured
    one. Loading goes on if the client hangs up.
    """
    body, unknown = await read(request, LoadBody)
    settings = await asyncio.to_thread(_changes(body).applied, services.models.base, services.files)
    await unless_gone(request, services.models.put(name, settings))
    response.headers.update(ignored(unknown))
    return Loaded(name=name)


@router.delete("/v1/models/{name}", summary="Unload a model")
async def delete_model(name: str, services: ServicesDep) -> Deleted:
    """Forget a model at once, let its requests finish and free its memory; answers when that is done."""
    await services.models.delete(name)
    return Deleted()


@router.post(
    "/v1/models/{name}/invoke",
    summary="Speak with a model",
    response_class=Response,
    openapi_extra=_body(InvokeBody),
    responses=_AUDIO,
)
async def invoke(name: str, request: Request, services: ServicesDep) -> Response:
    """The whole audio as a WAV file. A model that is not loaded is loaded first."""
    body, unknown = await read(request, InvokeBody)
    if body.prompt_tokens is None and body.prompt_text:  # the classic server spoke it in front of the text
        unknown = [*unknown, "prompt_text"]

    async def work() -> Response:
        with services.models.using(name) as model:
            wanted = await _classic_request(body, services)
            return await _speak(wanted, await services.models.ready(model), services)

    with renamed(_FIELDS):
        response = await unless_gone(request, work())
    response.headers.update(ignored(unknown))
    return response


@router.post(
    "/v1/invoke",
    summary="Speak, as in April 2024",
    response_class=Response,
    openapi_extra=_body(AprilInvokeBody),
    responses=_AUDIO,
)
async def invoke_default(request: Request, services: ServicesDep) -> Response:
    """The whole audio from the model `default`, which is loaded first if need be."""
    body, unknown = await read(request, AprilInvokeBody)
    wanted = await asyncio.to_thread(_april_request, body)  # with base64 of megabytes

    async def work() -> Response:
        with services.models.using(DEFAULT) as model:
            engine = await services.models.ready(model)
            options = {**_supported(APRIL_DEFAULTS, engine), **wanted.options}
            return await _speak(wanted.model_copy(update={"options": options}), engine, services)

    with renamed({"engine": None}):
        response = await unless_gone(request, work())
    response.headers.update(ignored(unknown))
    return response


@router.post("/v1/health", summary="Is the process alive?")
async def health() -> dict[str, str]:
    """200 as long as the gateway answers at all, as in April 2024."""
    return {"status": "ok"}


@router.get("/docs/", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Where the documentation was."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")


@router.get("/docs/json", include_in_schema=False)
async def docs_json(request: Request) -> Response:
    """Where its schema was."""
    return JSONResponse(request.app.openapi())


def _changes(body: LoadBody) -> Changes:
    """Only what the request has: what it leaves out stays as configured, whatever the classic default was."""
    llama, vqgan = body.llama.model_fields_set, body.vqgan.model_fields_set
    sources = {}
    if "checkpoint_path" in llama:
        sources["lm_checkpoint"] = Source(body.llama.checkpoint_path, "llama.checkpoint_path", LM_CHECKPOINT)
    if "tokenizer" in llama:
        sources["tokenizer"] = Source(body.llama.tokenizer, "llama.tokenizer", TOKENIZER, is_folder=True)
    if "checkpoint_path" in vqgan:
        sources["codec_checkpoint"] = Source(body.vqgan.checkpoint_path, "vqgan.checkpoint_path", CODEC_CHECKPOINT)
    return Changes(
        device=body.device if "device" in body.model_fields_set else None,
        dtype=body.llama.precision if "precision" in llama else None,
        sources=sources,
        model=body.llama.given("compile"),
    )


def _options(body: InvokeBody | AprilInvokeBody, *further: str) -> dict[str, Any]:
    """The engine's options among the fields that the request has. Engines refuse those that they do not know."""
    options = body.given(*_SAMPLING, *further)
    if not options.get("speaker", True):
        del options["speaker"]
    for name, least in (("top_p", LEAST_TOP_P), ("repetition_penalty", LEAST_PENALTY)):
        if name in options:
            options[name] = max(least, options[name])
    for name in ("top_k", "max_new_tokens"):
        if name in options:
            options[name] = min(LONGEST_CONTEXT, options[name])
    return options


async def _classic_request(body: InvokeBody, services: Services) -> SpeechRequest:
    options = _options(body, "order", "use_g2p")
    voice: dict[str, Any] = {}
    if body.prompt_tokens is not None:
        voice = await services.prompts.fields(body.prompt_tokens, body.prompt_text, "prompt_tokens")
        options |= voice.pop("options", {})
    seed = None if body.seed is None else body.seed % (MAX_SEED + 1)
    return parse(SpeechRequest, {"text": body.text, "seed": seed, **voice, "options": options})


def _april_request(body: AprilInvokeBody) -> SpeechRequest:
    options = _options(body)
    if "chunk_length" in body.model_fields_set:
        options["chunk_length"] = min(LONGEST_PIECE_BYTES, body.chunk_length * BYTES_PER_CHARACTER)
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
    known = capabilities.options_schema.get("properties", {}) if capabilities else {}
    return {name: value for name, value in options.items() if name in known}


async def _speak(wanted: SpeechRequest, engine: ConfiguredEngine, services: Services) -> Response:
    """The complete file, so that whatever goes wrong has a status; sent without its length, as it always was."""
    info, data, _ = await services.synthesizer.speak(wanted.model_copy(update={"engine": engine.name}))
    disposition = f"attachment; filename=audio.{info.format.extension}"
    headers = {**speech_headers(info), "Content-Disposition": disposition}
    response = Response(data, media_type="application/octet-stream", headers=headers)
    del response.headers["content-length"]
    return response
