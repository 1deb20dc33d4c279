"""Speech as an HTTP response, complete or streamed, for every API that sends audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote

import structlog
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.common.deps import Services, cancel_on_disconnect, deadline_at, disconnected
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.service.request import SpeechRequest
from gateway.service.speech import Speech, SpeechInfo

log = structlog.get_logger(__name__)


def speech_headers(info: SpeechInfo) -> dict[str, str]:
    """Response headers that describe the audio. Characters not allowed in headers are percent-encoded (UTF-8)."""
    return {
        "X-Voxgate-Engine": info.engine,
        "X-Voxgate-Model": quote(info.model, safe=" ()/:;,.@+"),
        "X-Voxgate-Voice": quote(info.voice, safe=" ()/:;,.@+'&"),
        "X-Voxgate-Seed": str(info.seed),
        **({"X-Voxgate-Cloning": "approximate"} if info.approximate_cloning else {}),
        **({"X-Voxgate-Note": info.note} if info.note else {}),
    }


def info_fields(info: SpeechInfo, request_id: str) -> dict[str, object]:
    """The fields of the first event, of a request as of a live session, that describe the audio."""
    return {
        "request_id": request_id,
        "engine": info.engine,
        "model": info.model,
        "voice": info.voice,
        "seed": info.seed,
        "format": info.format.name,
        "sample_rate": info.sample_rate_hz,
        "content_type": info.format.content_type(info.sample_rate_hz),
    }


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def duration_header(duration_s: float) -> dict[str, str]:
    """The response header with the duration of complete audio."""
    return {"X-Voxgate-Duration": f"{duration_s:.3f}"}


async def complete_audio(
    request: Request,
    services: Services,
    wanted: SpeechRequest,
    headers: Mapping[str, str] = _NO_HEADERS,
    or_silence: bool = False,
) -> Response:
    """Respond with the complete audio file.

    :param or_silence: see :meth:`gateway.service.synthesize.Synthesizer.open`.
    :raises GatewayError: if synthesis fails.
    """
    speaking = services.synthesizer.speak(wanted, or_silence, deadline_at(request, services))
    speech = await cancel_on_disconnect(request, speaking)
    described = {**speech_headers(speech.info), **duration_header(speech.duration_s), **headers}
    content_type = speech.info.format.content_type(speech.info.sample_rate_hz)
    return Response(speech.data, media_type=content_type, headers=described)


async def streamed_audio(
    request: Request,
    services: Services,
    wanted: SpeechRequest,
    headers: Mapping[str, str] = _NO_HEADERS,
    or_silence: bool = False,
    stream: Callable[[Speech, Metrics], AudioStream] | None = None,
) -> AudioStream:
    """Respond with audio while it is generated, starting with the first chunk.

    :param or_silence: see :meth:`gateway.service.synthesize.Synthesizer.open`.
    :param stream: makes the response; default: :class:`AudioStream`.
    :raises GatewayError: if synthesis fails before the first chunk.
    """
    opening = services.synthesizer.open(wanted, or_silence, deadline_at(request, services))
    speech = await cancel_on_disconnect(request, opening)
    response = (stream or AudioStream)(speech, services.metrics)
    response.headers.update(headers)
    return response


class AudioStream(Response):
    """Stream speech while it is generated; abort it if the client disconnects.

    After a failure mid-stream the response ends without its last chunk, so that the client can see that it is
    incomplete.

    :ivar speech: the speech that is sent; closed with the response.
    """

    def __init__(self, speech: Speech, metrics: Metrics):
        info = speech.info
        super().__init__(media_type=info.format.content_type(info.sample_rate_hz), headers=speech_headers(info))
        self.headers["x-accel-buffering"] = "no"  # nginx would hold back a stream until its buffer is full
        del self.headers["content-length"]
        self.speech = speech
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response (ASGI)."""
        sending = asyncio.create_task(self._send_body(send))
        disconnect = asyncio.create_task(disconnected(receive))
        try:
            await asyncio.wait({sending, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self.record_failure("client_gone", "the client disconnected")
            elif isinstance(error := sending.exception(), GatewayError):
                self.record_failure(error.type, error.logged)
            elif error is not None:
                raise error
        finally:
            sending.cancel()
            disconnect.cancel()
            await asyncio.wait({sending, disconnect})
            await self.speech.aclose()

    def body_chunks(self) -> AsyncIterator[bytes]:
        """Chunks of the body.

        :raises GatewayError: if the speech fails.
        """
        return self.speech.stream()

    def record_failure(self, type_: str, reason: str) -> None:
        """Count and log a stream that ends early."""
        self._metrics.errors.labels(type_).inc()
        log.warning("audio stream aborted", type=type_, error=reason)

    async def _send_body(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for data in self.body_chunks():
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
