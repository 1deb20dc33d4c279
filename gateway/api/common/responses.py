"""How speech becomes an HTTP answer, for every API that sends audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.common.deps import disconnected
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.service.speech import Speech, SpeechInfo

log = structlog.get_logger(__name__)


def speech_headers(info: SpeechInfo) -> dict[str, str]:
    """What an answer says of itself. Characters that a header cannot hold are percent-encoded (UTF-8)."""
    return {
        "X-Voxgate-Engine": info.engine,
        "X-Voxgate-Model": quote(info.model, safe=" ()/:;,.@+"),
        "X-Voxgate-Voice": quote(info.voice, safe=" ()/:;,.@+"),
        "X-Voxgate-Seed": str(info.seed),
    }


class AudioStream(Response):
    """Sends speech while it is being made, and aborts it when the client hangs up or stops reading.

    A failure after the first byte ends the answer without its last chunk, so that the client sees it broken off
    and never mistakes it for the whole.

    :ivar speech: what is sent; closed with the answer.
    :param stall_s: how long the client may read nothing.
    """

    def __init__(self, speech: Speech, metrics: Metrics, stall_s: float):
        info = speech.info
        super().__init__(media_type=info.format.content_type(info.sample_rate_hz), headers=speech_headers(info))
        del self.headers["content-length"]
        self.speech = speech
        self._metrics = metrics
        self._stall_s = stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        deliver = asyncio.create_task(self._deliver(send))
        gone = asyncio.create_task(disconnected(receive))
        try:
            await asyncio.wait({deliver, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not deliver.done():
                self.broke_off("client_gone", "the client hung up")
            elif error := deliver.exception():
                self._explain(error)
        finally:
            deliver.cancel()
            gone.cancel()
            await asyncio.wait({deliver, gone})
            await self.speech.aclose()

    def pieces(self) -> AsyncIterator[bytes]:
        """The answer's body, piece by piece.

        :raises GatewayError: when it breaks off.
        """
        return self.speech.stream()

    def broke_off(self, type_: str, why: str) -> None:
        """Count and log that the speech did not come to its end."""
        self._metrics.errors.labels(type_).inc()
        log.warning("audio stream broken off", type=type_, error=why)

    async def _deliver(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for data in self.pieces():
            message = {"type": "http.response.body", "body": data, "more_body": True}
            # Not wait_for(): before Python 3.12 it swallows a cancellation that comes as the connection is lost.
            async with asyncio.timeout(self._stall_s):
                await send(message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _explain(self, error: BaseException) -> None:
        if isinstance(error, GatewayError):
            self.broke_off(error.type, error.message)
        elif isinstance(error, TimeoutError):
            self.broke_off("client_stalled", f"the client read nothing for {self._stall_s:g} s")
        else:
            raise error
