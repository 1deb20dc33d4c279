"""Amazon SageMaker's container contract: ``/ping``, ``/invocations`` and a bidirectional stream."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response

from gateway.api.common import json_socket
from gateway.api.common.body import read
from gateway.api.common.deps import ServicesDep
from gateway.api.common.route import DialectRoute
from gateway.api.common.tts import RESPONSES, TtsBody, documentation, respond
from gateway.api.sagemaker.accept import choose
from gateway.engine.client import State
from gateway.errors import InvalidRequest
from gateway.service.request import parse

router = APIRouter(tags=["SageMaker"], route_class=DialectRoute)

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
MAX_ATTRIBUTES_CHARS = 1024  # SageMaker's own limit
_BODY_ONLY = frozenset({"text", "reference_audio", "reference_text", "options"})

_PING: dict[int | str, dict[str, Any]] = {
    503: {"description": "The default engine is loading or has failed, or the gateway is shutting down."}
}


@router.get("/ping", summary="Is the default engine ready?", responses=_PING, response_class=Response)
@router.post("/ping", summary="Is the default engine ready?", responses=_PING, response_class=Response)
async def ping(services: ServicesDep) -> Response:
    """200 if the default engine accepts requests or would load on the first one; no body."""
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
    summary="Speak (SageMaker)",
    openapi_extra=_documentation(),
    responses={**RESPONSES, 406: {"description": "Accept matches no supported format."}},
    response_model=None,
)
async def invocations(request: Request, services: ServicesDep) -> Response:
    """As `/tts`, with three additions.

    A `text/plain` body is the text. `Accept` selects the format. The custom attributes, which the response repeats,
    set other fields.
    """
    attributes = request.headers.get(ATTRIBUTES, "")
    fields = _fields(attributes)
    body = await read(request, TtsBody, file="reference_audio", plain="text", further=fields, whole_answer=True)
    if accepted := _accepted(request.headers.get("accept", ""), body):
        given = {name: getattr(body, name) for name in body.model_fields_set}
        body = parse(TtsBody, {**given, **accepted}, strict=True)
    response = await respond(request, services, body)
    if attributes:
        response.headers[ATTRIBUTES] = attributes
    return response


# One part of SageMaker's bidirectional stream is one WebSocket message.
router.add_api_websocket_route("/invocations-bidirectional-stream", json_socket.stream)


def _accepted(accept: str, body: TtsBody) -> dict[str, Any]:
    if body.response == "events":
        return {}  # they have one media type, whatever the format of the audio in them
    given = body.model_fields_set
    fmt, response = (getattr(body, name) if name in given else None for name in ("format", "response"))
    chosen = choose(accept, fmt, response, body.sample_rate)
    return {name: value for name, value in chosen.items() if name not in given}


def _fields(attributes: str) -> dict[str, str]:
    """Parse ``name=value`` pairs separated by commas or semicolons; values may be percent-encoded.

    :raises InvalidRequest: naming the malformed or unknown pair.
    """
    if len(attributes) > MAX_ATTRIBUTES_CHARS or not attributes.isascii():
        raise InvalidRequest(f"must be ASCII, at most {MAX_ATTRIBUTES_CHARS} characters", param=ATTRIBUTES)
    known = [name for name in TtsBody.model_fields if name not in _BODY_ONLY]
    fields: dict[str, str] = {}
    for pair in attributes.replace(";", ",").split(","):
        if not pair.strip():
            continue
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or name not in known:
            raise InvalidRequest(
                f"invalid attribute {pair.strip()!r}: must be name=value, name one of: {', '.join(known)}",
                param=ATTRIBUTES,
            )
        if name in fields:
            raise InvalidRequest(f"{name!r} is given twice", param=ATTRIBUTES)
        fields[name] = unquote(value)
    return fields
