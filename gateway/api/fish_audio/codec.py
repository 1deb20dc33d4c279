"""``/v1/vqgan`` of Fish-Speech's own server: encode recordings, decode codes."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from backends.base import Codes
from gateway.api.common.body import decode_base64
from gateway.api.common.deps import Services, ServicesDep, cancel_on_disconnect
from gateway.api.common.fish import ClassicRoute
from gateway.api.common.openapi import JSON, MSGPACK, request_body
from gateway.api.fish_audio.bodies import read_fields
from gateway.api.fish_audio.references import encoded_response
from gateway.errors import InvalidRequest

MAX_VALUES = 1 << 17  # in a body: four times two minutes of ten codebooks
MAX_CODE = 2**31 - 1

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
    for index, audio in enumerate(await _list(request, "audios")):
        param = f"audios.{index}"
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
    tokens = [_codes(one, f"tokens.{index}") for index, one in enumerate(await _list(request, "tokens"))]
    sounds, rate_hz = await cancel_on_disconnect(request, services.codec.decode(_engine(request, services), tokens))
    audios = [sound.astype("<f2").tobytes() for sound in sounds]
    return encoded_response(request, {"audios": audios}, {"X-Voxgate-Sample-Rate": str(rate_hz)})


async def _list(request: Request, field: str) -> list[Any]:
    fields = await read_fields(request, MAX_VALUES)
    if not isinstance(fields.get(field), list):
        raise InvalidRequest("required, a list", param=field)
    found: list[Any] = fields[field]
    return found


def _codes(value: Any, param: str) -> Codes:
    """Parse codes, shape (K, T).

    :raises InvalidRequest: naming the field.
    """
    rows: list[Any] = value if isinstance(value, list) else []
    if not rows or not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        raise InvalidRequest("must be a list of equally long lists of codes, one per codebook", param=param)
    if not all(type(code) is int and 0 <= code <= MAX_CODE for row in rows for code in row):
        raise InvalidRequest(f"codes must be integers from 0 to {MAX_CODE}", param=param)
    return np.array(rows, np.int64)
