"""The native live protocol: incremental text input with streaming audio output.

Messages are JSON objects with a ``type``; audio is binary. docs/apis/live.md lists all messages.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from starlette.websockets import WebSocket

from gateway.api.common.body import SMALL_BYTES, decode_base64
from gateway.api.common.decoding import JSON
from gateway.api.common.errors import Problem, native_envelope
from gateway.api.common.responses import info_fields
from gateway.api.common.websocket import (
    Command,
    Dialect,
    End,
    Failure,
    Flush,
    Interrupt,
    Start,
    Text,
    WireMessage,
    serve_session,
)
from gateway.errors import InvalidRequest
from gateway.service.live.events import (
    EncodedAudio,
    Flushed,
    Interrupted,
    LiveEvent,
    SegmentDone,
    SegmentRefused,
    SegmentStarted,
    SessionFinished,
)
from gateway.service.request import VoiceSpec, parse
from gateway.service.speech import SpeechInfo

START_FIELDS = tuple(name for name in VoiceSpec.model_fields if name != "stream")
_FIELDS = {
    "start": START_FIELDS,
    "text": ("text",),
    "flush": (),
    "interrupt": ("played_ms",),
    "end": (),
}
_MAX_PLAYED_MS = 1e9
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PAIR = rb"\s*+%b\s*+:\s*+%b\s*+" % (_STRING, _STRING)
_TWO_STRINGS = re.compile(rb"\s*+{%b,%b}\s*+" % (_PAIR, _PAIR), re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


async def stream(websocket: WebSocket) -> None:
    """WebSocket endpoint of one session."""
    await serve_session(websocket, JsonDialect())


class JsonDialect(Dialect):
    """JSON messages and binary audio."""

    async def read(self, message: WireMessage) -> Command:
        """See :class:`Dialect`. Binary messages are JSON too, for clients that cannot send text."""
        return await asyncio.to_thread(_read, message) if len(message) > SMALL_BYTES else _read(message)

    def started(self, info: SpeechInfo, start: Start, request_id: str) -> WireMessage:
        """See :class:`Dialect`."""
        return _json("started", **info_fields(info, request_id))

    def event(self, event: LiveEvent) -> WireMessage | None:
        """See :class:`Dialect`."""
        match event:
            case EncodedAudio(data):
                return data or None
            case SegmentStarted(index, start, end, at_s):
                return _json("segment", index=index, start=start, end=end, at_ms=_ms(at_s))
            case SegmentDone(index, start, end, duration_s):
                return _json("segment_done", index=index, start=start, end=end, duration_ms=_ms(duration_s))
            case SegmentRefused(index, start, end, error):
                fields = {"type": error.type, "message": error.message, "param": error.param}
                return _json("segment_refused", index=index, start=start, end=end, error=fields)
            case Flushed(position):
                return _json("flushed", position=position)
            case Interrupted(position, text, following):
                return _json("interrupted", position=position, text=text, next=following)
            case SessionFinished(position, segments, duration_s, drained):
                reason = "shutdown" if drained else "end"
                duration_ms = _ms(duration_s)
                return _json("finished", reason=reason, position=position, segments=segments, duration_ms=duration_ms)

    def failure(self, failure: Failure) -> WireMessage:
        """See :class:`Dialect`."""
        retry = {} if failure.retry_after_s is None else {"retry_after_s": failure.retry_after_s}
        return _json("error", **native_envelope(failure.problem), position=failure.position, **retry)

    @staticmethod
    def envelope(problem: Problem) -> dict[str, object]:
        """See :class:`Dialect`."""
        return native_envelope(problem)


def _read(message: WireMessage) -> Command:
    data = message if isinstance(message, bytes) else message.encode("utf-8", "surrogatepass")
    try:
        fields = JSON.values(JSON.fields(data, "a message"), known=START_FIELDS)
    except InvalidRequest:
        if (text := _text_with_surrogates(data)) is None:
            raise
        return text
    fields = {name: value for name, value in fields.items() if value is not None}
    kind = fields.pop("type", None)
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise InvalidRequest(f"must be one of: {', '.join(_FIELDS)}", param="type")
    for name in fields:
        if name not in _FIELDS[kind]:
            known = ", ".join(_FIELDS[kind]) or "(none)"
            raise InvalidRequest(f"unknown field; fields of {kind} are: {known}", param=name)
    return _command(kind, fields)


def _text_with_surrogates(data: bytes) -> Text | None:
    """A text message with lone surrogates, which only Python's own parser accepts; None for any other message."""
    if not _SURROGATE.search(data) or not _TWO_STRINGS.fullmatch(data):
        return None
    try:
        fields = json.loads(data)
    except ValueError:
        return None
    match fields:
        case {"type": "text", "text": str(text)}:
            return Text(text)
    return None


def _command(kind: str, fields: dict[str, Any]) -> Command:
    match kind:
        case "start":
            if isinstance(encoded := fields.get("reference_audio"), str):
                fields["reference_audio"] = decode_base64(encoded, "reference_audio")
            fields = {"format": "pcm", **fields, "stream": True}
            return Start(parse(VoiceSpec, fields, strict=True))
        case "text":
            if not isinstance(text := fields.get("text"), str):
                raise InvalidRequest("must be a string", param="text")
            return Text(text)
        case "interrupt":
            return Interrupt(_seconds(fields.get("played_ms")))
        case "flush":
            return Flush()
    return End()


def _seconds(played_ms: object) -> float | None:
    if played_ms is None:
        return None
    if isinstance(played_ms, bool) or not isinstance(played_ms, (int, float)) or not 0 <= played_ms <= _MAX_PLAYED_MS:
        raise InvalidRequest("must be a number of milliseconds, at least 0", param="played_ms")
    return played_ms / 1000


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _json(type_: str, **fields: object) -> str:
    return json.dumps({"type": type_, **fields}, ensure_ascii=False, separators=(",", ":"))
