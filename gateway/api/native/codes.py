"""``POST /v1/codes``: a text as the codes of its speech, which ``/v1/vqgan/decode`` turns into audio."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep, cancel_on_disconnect, deadline_at
from gateway.api.common.openapi import BYTES, FORM, JSON, model_schema, request_body, success
from gateway.api.common.responses import speech_headers
from gateway.api.common.route import SPEECH_ERRORS, DialectRoute, raises
from gateway.api.common.tts import as_in_tts
from gateway.service.request import SpeechRequest, parse

router = APIRouter(tags=["speech"], route_class=DialectRoute)


class CodesBody(BaseModel):
    """The fields of ``/tts`` that decide which codes are generated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, description="the text to speak; limited by limits.text_chars and the engine")
    engine: str | None = as_in_tts("engine")
    voice: str | None = as_in_tts("voice")
    reference_audio: bytes | None = as_in_tts("reference_audio")
    reference_text: str | None = as_in_tts("reference_text")
    language: str | None = as_in_tts("language")
    seed: int | None = as_in_tts("seed")
    normalize: bool | dict[str, bool] | None = as_in_tts("normalize")
    lexicons: list[str] | None = as_in_tts("lexicons")
    options: dict[str, Any] | None = as_in_tts("options")


@router.post(
    "/v1/codes",
    summary="Generate the codes of a text",
    response_class=Response,
    openapi_extra=request_body(model_schema(CodesBody, binary=["reference_audio"]), (JSON, FORM)),
    responses=success("An .npy file: int32 of shape (codebooks, frames).", BYTES),
)
@raises(*SPEECH_ERRORS)
async def generate_codes(request: Request, services: ServicesDep) -> Response:
    """Run the language model of a Fish-Speech engine without its decoder."""
    body = await read(request, CodesBody, file="reference_audio")
    speech = parse(SpeechRequest, {**body.model_dump(exclude_none=True), "ssml": False})
    until = deadline_at(request, services)
    resolved, job = await cancel_on_disconnect(request, services.synthesizer.codes_job(speech, until))
    codes = await cancel_on_disconnect(request, services.codec.generate(resolved.engine, job, until))
    file = io.BytesIO()
    np.save(file, codes.astype("<i4"))
    return Response(file.getvalue(), media_type=BYTES, headers=speech_headers(resolved.info))
