"""``/v1/tts/live`` and ``/v1/tts/live/with-timestamp``: Fish Audio's live WebSockets, with MessagePack messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket
from msgspec import Raw

from gateway.api.common.body import off_loop
from gateway.api.common.decoding import MESSAGEPACK
from gateway.api.common.deps import Services
from gateway.api.common.errors import Problem
from gateway.api.common.ignored_fields import malformed_is_bad_request, renamed
from gateway.api.common.websocket import Command, Dialect, End, Failure, Flush, Start, Text, WireMessage, serve_session
from gateway.api.fish_audio.bodies import tts_body, tts_fields
from gateway.api.fish_audio.speech import FIELDS, FishAudioRoute, spec_fields
from gateway.errors import InvalidRequest
from gateway.service.live.events import (
    EncodedAudio,
    LiveEvent,
    SegmentDone,
    SegmentRefused,
    SegmentStarted,
    SessionFinished,
)
from gateway.service.request import VoiceSpec, parse
from gateway.service.speech import SpeechInfo

router = APIRouter()

_DEFAULTS = {"format": "mp3"}  # as in the clients, which send it explicitly


@router.websocket("/v1/tts/live")
async def live(websocket: WebSocket) -> None:
    """WebSocket endpoint of one session."""
    await serve_session(websocket, FishDialect(websocket))


@router.websocket("/v1/tts/live/with-timestamp")
async def live_with_timestamp(websocket: WebSocket) -> None:
    """WebSocket endpoint whose audio events have the times of the spoken text."""
    await serve_session(websocket, TimestampDialect(websocket))


class FishDialect(Dialect):
    """Messages are maps with an ``event``; clients ignore unknown events."""

    reusable = True  # LiveKit keeps sockets in a pool
    or_silence = True

    def __init__(self, websocket: WebSocket):
        self._websocket = websocket

    async def read(self, message: WireMessage) -> Command:
        """See :class:`Dialect`."""
        if isinstance(message, str):
            raise InvalidRequest("text frame: send MessagePack in binary frames")
        fields = await off_loop(_fields, message)
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
        raise InvalidRequest("must be one of: start, text, flush, stop", param="event")

    async def _start(self, request: Any) -> Start:
        if not isinstance(request, dict):
            raise InvalidRequest("must be a map", param="request")
        found: Services = self._websocket.app.state.services
        given = {name: value for name, value in request.items() if value is not None and value != ""}
        body, unknown = tts_body({**_DEFAULTS, **given}, MESSAGEPACK)
        with renamed({**FIELDS, "bitrate": f"{body.format}_bitrate"}):
            fields, unused = await spec_fields(body, self._websocket.headers.get("model"), found)
            stream = body.latency != "normal"
            spec = parse(VoiceSpec, {**fields, "stream": stream})
        if body.streaming is False:
            unused.append("streaming")
        return Start(spec, body.text, (*unknown, *unused))

    def started(self, info: SpeechInfo, start: Start, request_id: str) -> WireMessage | None:
        """See :class:`Dialect`. This API has no reply to a start; ignored fields are reported in an extra event."""
        return _encode("ignored", fields=list(start.ignored)) if start.ignored else None

    def event(self, event: LiveEvent) -> WireMessage | None:
        """See :class:`Dialect`."""
        match event:
            case EncodedAudio(data) if data:
                return _encode("audio", audio=data)
            case SegmentRefused(start=start, end=end, error=error):
                return _encode("segment_refused", start=start, end=end, message=error.message)
            case SessionFinished(drained=True):
                return _encode("finish", reason="error", message="the gateway is shutting down")
            case SessionFinished():
                return _encode("finish", reason="stop")
        return None

    def failure(self, failure: Failure) -> WireMessage:
        """See :class:`Dialect`."""
        return _encode("finish", reason="error", **self.envelope(failure.problem))

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """See :class:`Dialect`. Errors use the field names of this API."""
        param = (problem.param or "").removeprefix("options.")
        return FishAudioRoute.envelope(replace(problem, param=FIELDS.get(param, param) or None))


class TimestampDialect(FishDialect):
    """Audio events name the segment that they speak; the last one of each, without audio, has its duration."""

    def started(self, info: SpeechInfo, start: Start, request_id: str) -> WireMessage | None:
        """See :class:`Dialect`."""
        self._chunk: dict[str, object] = {"content": "", "chunk_seq": 0, "chunk_audio_offset_sec": 0.0}
        return super().started(info, start, request_id)

    def event(self, event: LiveEvent) -> WireMessage | None:
        """See :class:`Dialect`."""
        match event:
            case SegmentStarted(index=index, at_s=at_s, text=text):
                self._chunk = {"content": text, "chunk_seq": index, "chunk_audio_offset_sec": round(at_s, 3)}
            case EncodedAudio(data) if data:
                return _encode("audio", audio=data, alignment=None, **self._chunk)
            case SegmentDone(duration_s=duration_s):
                end = round(duration_s, 3)
                segments = [{"text": self._chunk["content"], "start": 0.0, "end": end}]
                alignment = {"segments": segments, "audio_duration": end}
                return _encode("audio", audio=b"", alignment=alignment, **self._chunk)
        return super().event(event)


def _fields(message: bytes) -> dict[str, Any]:
    with malformed_is_bad_request():
        raw = MESSAGEPACK.fields(message, "a message")
        fields = MESSAGEPACK.values(raw, known=())
        if fields.get("event") == "start" and isinstance(request := fields.get("request"), Raw):
            fields["request"] = tts_fields(MESSAGEPACK, MESSAGEPACK.fields(request, param="request"))
    return fields


def _encode(event: str, **fields: object) -> bytes:
    return msgspec.msgpack.encode({"event": event, **fields})
