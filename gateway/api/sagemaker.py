"""The contract of an Amazon SageMaker inference container: ``/ping``, ``/invocations``, and a stream both ways."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response

from gateway.api import live
from gateway.api.accept import choose
from gateway.api.body import read
from gateway.api.deps import ServiceRoute, ServicesDep
from gateway.api.tts import RESPONSES, TtsBody, answer, documentation
from gateway.engine.client import State
from gateway.errors import InvalidRequest
from gateway.service.request import parse

router = APIRouter(tags=["SageMaker"], route_class=ServiceRoute)

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
MAX_ATTRIBUTES_CHARS = 1024  # SageMaker's own limit
_NO_ATTRIBUTES = frozenset({"text", "reference_audio", "reference_text", "options"})  # what belongs into the body

_PING: dict[int | str, dict[str, Any]] = {
    503: {"description": "The default engine loads, or has failed, or the gateway is shutting down."}
}


@router.get("/ping", summary="Is the default engine ready?", responses=_PING, response_class=Response)
@router.post("/ping", summary="Is the default engine ready?", responses=_PING, response_class=Response)
async def ping(services: ServicesDep) -> Response:
    """200 when the default engine takes requests, or is not loaded and would load at the first one; no body."""
    if services.live.draining.is_set():
        return Response(status_code=503)
    state = services.engines.get(None).client.status().state
    return Response(status_code=200 if state in (State.READY, State.UNLOADED) else 503)


def _documentation() -> dict[str, Any]:
    found = documentation()
    found["requestBody"]["content"]["text/plain"] = {"schema": {"type": "string", "description": "the text"}}
    found["parameters"] = [
        {
            "name": ATTRIBUTES,
            "in": "header",
            "schema": {"type": "string", "maxLength": MAX_ATTRIBUTES_CHARS},
            "description": "fields of the request, such as engine=f5,voice=ann;stream=true",
        }
    ]
    return found


@router.post(
    "/invocations",
    summary="Speak, as SageMaker asks for it",
    openapi_extra=_documentation(),
    responses={**RESPONSES, 406: {"description": "Accept allows nothing that can be made."}},
    response_model=None,
)
async def invocations(request: Request, services: ServicesDep) -> Response:
    """As `/tts`; the text may be the body as `text/plain`, the format may come from Accept, and other fields from the
    custom attributes, which the answer repeats.
    """
    attributes = request.headers.get(ATTRIBUTES, "")
    body = await read(request, TtsBody, file="reference_audio", plain="text", further=_fields(attributes))
    if accepted := _accepted(request.headers.get("accept", ""), body):
        given = {name: getattr(body, name) for name in body.model_fields_set}
        body = parse(TtsBody, {**given, **accepted}, strict=True)
    response = await answer(request, services, body)
    if attributes:
        response.headers[ATTRIBUTES] = attributes
    return response


# Text in while audio flows out; one part of SageMaker's stream is one message.
router.add_api_websocket_route("/invocations-bidirectional-stream", live.stream)


def _accepted(accept: str, body: TtsBody) -> dict[str, Any]:
    given = body.model_fields_set
    fmt, response = (getattr(body, name) if name in given else None for name in ("format", "response"))
    chosen = choose(accept, fmt, response, body.sample_rate)
    return {name: value for name, value in chosen.items() if name not in given}


def _fields(attributes: str) -> dict[str, str]:
    """``name=value`` pairs between commas or semicolons; values may be percent-encoded.

    :raises InvalidRequest: naming what is no field.
    """
    if len(attributes) > MAX_ATTRIBUTES_CHARS or not attributes.isascii():
        raise InvalidRequest(f"must be ASCII, {MAX_ATTRIBUTES_CHARS} characters at most", param=ATTRIBUTES)
    known = [name for name in TtsBody.model_fields if name not in _NO_ATTRIBUTES]
    fields: dict[str, str] = {}
    for pair in attributes.replace(";", ",").split(","):
        if not pair.strip():
            continue
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or name not in known:
            raise InvalidRequest(
                f"{pair.strip()!r} is no name=value with a name of: {', '.join(known)}", param=ATTRIBUTES
            )
        if name in fields:
            raise InvalidRequest(f"{name!r} is given twice", param=ATTRIBUTES)
        fields[name] = unquote(value)
    return fields
