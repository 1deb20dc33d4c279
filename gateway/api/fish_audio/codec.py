"""``/v1/vqgan`` of Fish-Speech's own server: encode recordings, decode codes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request, Response
from msgspec import Meta, Raw

from backends.base import Codes
from gateway.api.common.body import decode_base64
from gateway.api.common.decoding import Encoding
from gateway.api.common.deps import Services, ServicesDep, cancel_on_disconnect
from gateway.api.common.fish import ClassicRoute
from gateway.api.common.openapi import JSON, MSGPACK, request_body
from gateway.api.fish_audio.bodies import read_fields
from gateway.api.fish_audio.references import encoded_response
from gateway.errors import InvalidRequest

MAX_TOKENS_BYTES = 2**20  # four times two minutes of ten codebooks
MAX_CODE = 2**31 - 1

_Codes = list[list[Annotated[int, Meta(ge=0, le=MAX_CODE)]]]

router = APIRouter(prefix="/v1/vqgan", tags=["Fish Audio"], route_class=ClassicRoute)


def _documentation(field: str, items: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {field: {"type": "array", "items": items}}, "required": [field]}
    return request_body(schema, (MSGPACK, JSON))


def _engine(request: Request, services: Services) -> str:
    """The engine named by the header ``model``; default: the Fish-Speech engine, or else the default engine."""
    model = request.headers.get("model")
    if model:
        return services.aliases.engine(model)
    return services.settings.fish_engine or services.engines.default


@router.post(
    "/encode",
    summary="Encode recordings",
    response_class=Response,
    openapi_extra=_documentation("audios", {"type": "string", "description": "an audio file; base64 in JSON"}),
)
async def encode(request: Request, services: ServicesDep) -> Response:
    """`tokens` has, for each of `audios`, a list of codes per codebook."""
    recordings = []
    items, encoding = await _list(request, "audios")
    for index, item in enumerate(items):
        param = f"audios.{index}"
        audio = None if encoding.is_container(item) else encoding.value(item, param)
        if not isinstance(audio, str | bytes):
            raise InvalidRequest("must be an audio file", param=param)
        recordings.append(audio if isinstance(audio, bytes) else await asyncio.to_thread(decode_base64, audio, param))
    codes = await cancel_on_disconnect(request, services.codec.encode(_engine(request, services), recordings))
    return encoded_response(request, {"tokens": [one.tolist() for one in codes]})


@router.post(
    "/decode",
    summary="Decode codes",
    response_class=Response,
    openapi_extra=_documentation(
        "tokens", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "description": "codes"}}
    ),
)
async def decode(request: Request, services: ServicesDep) -> Response:
    """`audios` has mono float16 little-endian samples, at the rate in the header `X-Voxgate-Sample-Rate`."""
    items, encoding = await _list(request, "tokens")
    if (size := sum(memoryview(item).nbytes for item in items)) > MAX_TOKENS_BYTES:
        raise InvalidRequest(f"has {size} bytes: the limit is {MAX_TOKENS_BYTES}", param="tokens")
    tokens = []
    for index, item in enumerate(items):
        param = f"tokens.{index}"
        tokens.append(_codes(encoding.value(item, param, _Codes), param))
    sounds, rate_hz = await cancel_on_disconnect(request, services.codec.decode(_engine(request, services), tokens))
    audios = [sound.astype("<f2").tobytes() for sound in sounds]
    return encoded_response(request, {"audios": audios}, {"X-Voxgate-Sample-Rate": str(rate_hz)})


async def _list(request: Request, field: str) -> tuple[list[Raw], Encoding]:
    fields, encoding = await read_fields(request)
    if not isinstance(found := fields.get(field), Raw):
        raise InvalidRequest("required, a list", param=field)
    return encoding.items(found, field), encoding


def _codes(rows: list[list[int]], param: str) -> Codes:
    """Codes as an array of shape (K, T).

    :raises InvalidRequest: unless all rows are equally long.
    """
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise InvalidRequest("must be a list of equally long lists of codes, one per codebook", param=param)
    return np.array(rows, np.int64)
