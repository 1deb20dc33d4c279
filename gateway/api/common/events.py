"""Speech as newline-delimited JSON: audio, spans of the text, times and traces."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping

import msgspec
from fastapi import Request

from backends.base import Trace
from gateway.api.common.deps import Services, cancel_on_disconnect, deadline_at, request_id
from gateway.api.common.errors import STATUS, Problem, native_envelope
from gateway.api.common.responses import AudioStream, info_fields
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.service.request import SpeechRequest
from gateway.service.speech import Speech
from gateway.service.speech_events import SpeechEvent, SpokenSpan, speech_events

NDJSON = "application/x-ndjson"


async def streamed_events(request: Request, services: Services, wanted: SpeechRequest) -> EventStream:
    """Respond with events while the speech is generated, starting with the first audio or trace.

    :raises GatewayError: if synthesis fails before that.
    """
    arrived_at = asyncio.get_running_loop().time()
    wanted = wanted.model_copy(update={"stream": True})
    opening = services.synthesizer.open(wanted, deadline_at=deadline_at(request, services), traces=True)
    speech = await cancel_on_disconnect(request, opening)
    return EventStream(speech, services.metrics, request_id(request), wanted.text, arrived_at)


class EventStream(AudioStream):
    """Stream speech as one JSON object per line. The last one is ``done``, or ``error`` after a failure.

    :param text: the request's text, which positions refer to.
    :param arrived_at: when the request arrived, on the event loop's clock.
    """

    def __init__(self, speech: Speech, metrics: Metrics, request_id: str, text: str, arrived_at: float):
        super().__init__(speech, metrics)
        self.headers["content-type"] = NDJSON
        self._request_id = request_id
        self._text = text
        self._arrived_at = arrived_at

    async def body_chunks(self) -> AsyncIterator[bytes]:
        """See :class:`AudioStream`."""
        speech = self.speech
        yield _line(
            "start",
            **info_fields(speech.info, self._request_id),
            text=self._text,
            spoken_text=speech.spoken_text,
            languages=speech.languages,
            queue_ms=self._ms_until(speech.started_at),
        )
        try:
            async for event in speech_events(speech):
                yield _event_line(event)
        except GatewayError as error:
            self.record_failure(error.type, error.logged)
            problem = Problem(STATUS[type(error)], error.type, error.message, error.param, self._request_id)
            yield _line("error", **native_envelope(problem))
            return
        yield _line(
            "done",
            duration_ms=_ms(speech.consumed_s),
            first_audio_ms=self._ms_until(speech.first_audio_at),
            total_ms=self._ms_until(speech.ended_at),
        )

    def _ms_until(self, at: float | None) -> float | None:
        return None if at is None else _ms(at - self._arrived_at)


def _event_line(event: SpeechEvent) -> bytes:
    match event:
        case SpokenSpan(index, start, end, at_s):
            return _line("segment", index=index, start=start, end=end, at_ms=_ms(at_s))
        case Trace():
            start, end = event.text_span
            rows, columns = event.data.shape
            return _line(
                "trace",
                kind=event.kind,
                start=start,
                end=end,
                position=event.position,
                rate=round(event.rate_hz, 3),
                rows=rows,
                columns=columns,
                dtype=event.data.dtype.name,
                data=base64.b64encode(event.data.tobytes()).decode(),
            )
        case _:
            return _line("audio", audio=base64.b64encode(event).decode())


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _line(type_: str, **fields: object) -> bytes:
    line: Mapping[str, object] = {"type": type_, **fields}
    return msgspec.json.encode(line) + b"\n"
