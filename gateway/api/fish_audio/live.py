"""``/v1/tts/live``: Fish Audio's socket for text in pieces, with MessagePack in both directions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket

from gateway.api.common.body import SMALL_BYTES
from gateway.api.common.deps import Services
from gateway.api.common.errors import Problem
from gateway.api.common.ignored_fields import renamed
from gateway.api.common.websocket import Command, Dialect, End, Failure, Flush, Start, Text, Wire, converse
from gateway.api.fish_audio import msgpack
from gateway.api.fish_audio.bodies import tts_body
from gateway.api.fish_audio.speech import FIELDS, FishAudioRoute, spec_fields
from gateway.errors import InvalidRequest
from gateway.service.live.events import Event, Finished, Piece, SegmentRefused
from gateway.service.request import VoiceSpec, parse
from gateway.service.speech import SpeechInfo

router = APIRouter()

_DEFAULTS = {"format": "mp3"}  # the clients' own; they name it all the same


@router.websocket("/v1/tts/live")
async def live(websocket: WebSocket) -> None:
    """One session of a client of Fish Audio."""
    await converse(websocket, FishDialect(websocket))


class FishDialect(Dialect):
    """Maps with an ``event``; what clients do not know, they ignore."""

    def __init__(self, websocket: WebSocket):
        self._websocket = websocket

    async def read(self, message: Wire) -> Command:
        """See :class:`Dialect`."""
        if isinstance(message, str):
            raise InvalidRequest("messages are MessagePack in binary frames")
        if len(message) > SMALL_BYTES:
            fields = await asyncio.to_thread(msgpack.decode, message)
        else:
            fields = msgpack.decode(message)
        if not isinstance(fields, dict):
            raise InvalidRequest("a message must be a map")
        match fields.get("event"):
            case "start":
                return await self._start(fields.get("request"))
            case "text":
                if not isinstance(text := fields.get("text"), str):
                    raise InvalidRequest("must be a string", param="text")
                return Text(text)
            case "flush":
                return Flush()
            case "stop":
                return End()
        raise InvalidRequest("there are: start, text, flush, stop", param="event")

    async def _start(self, request: Any) -> Start:
        if not isinstance(request, dict):
            raise InvalidRequest("must be a map", param="request")
        found: Services = self._websocket.app.state.services
        given = {name: value for name, value in request.items() if value is not None and value != ""}
        body, unknown = tts_body({**_DEFAULTS, **given})
        with renamed({**FIELDS, "bitrate": f"{body.format}_bitrate"}):
            fields, unused = await spec_fields(body, self._websocket.headers.get("model"), found)
            stream = body.latency != "normal"
            spec = parse(VoiceSpec, {**fields, "stream": stream})
        if body.streaming is False:
            unused.append("streaming")
        return Start(spec, body.text, (*unknown, *unused))

    def started(self, info: SpeechInfo, start: Start, request_id: str) -> Wire | None:
        """See :class:`Dialect`. This API has no answer to a start; what means nothing here is told all the same."""
        return _packed("ignored", fields=list(start.ignored)) if start.ignored else None

    def event(self, event: Event) -> Wire | None:
        """See :class:`Dialect`."""
        match event:
            case Piece(data) if data:
                return _packed("audio", audio=data)
            case SegmentRefused(error=error):
                raise error
            case Finished(wound_up=True):
                return _packed("finish", reason="error", message="the gateway is shutting down")
            case Finished():
                return _packed("finish", reason="stop")
        return None

    def failure(self, failure: Failure) -> Wire:
        """See :class:`Dialect`."""
        return _packed("finish", reason="error", **self.envelope(failure.problem))

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """See :class:`Dialect`. Names the fields of this API."""
        param = (problem.param or "").removeprefix("options.")
        return FishAudioRoute.envelope(replace(problem, param=FIELDS.get(param, param) or None))


def _packed(event: str, **fields: object) -> bytes:
    return msgspec.msgpack.encode({"event": event, **fields})
