"""Server-sent events of speech: OpenAI's ``stream_format: sse``."""

from __future__ import annotations

import base64
import math
from collections.abc import AsyncIterator, Mapping

import msgspec

from gateway.api.common.errors import STATUS, Problem
from gateway.api.common.responses import AudioStream
from gateway.api.openai.errors import OpenAIRoute, as_openai
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.service.speech import Speech

TOKEN_S = 0.05  # audio per token in OpenAI's accounting


class SpeechEvents(AudioStream):
    """Stream speech as ``speech.audio.delta`` events with base64 audio.

    The last event is ``speech.audio.done``, or ``error`` after a failure.

    :param input_tokens: reported in the last event.
    """

    def __init__(self, speech: Speech, metrics: Metrics, request_id: str, input_tokens: int):
        super().__init__(speech, metrics)
        self.headers["content-type"] = "text/event-stream; charset=utf-8"
        self.headers["cache-control"] = "no-cache"
        self._request_id = request_id
        self._input_tokens = input_tokens

    async def body_chunks(self) -> AsyncIterator[bytes]:
        """See :class:`AudioStream`."""
        try:
            async for data in self.speech.stream():
                yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})
        except GatewayError as error:
            self.record_failure(error.type, error.logged)
            yield _event({"type": "error", **self._envelope(as_openai(error))})
            return
        output_tokens = math.ceil(self.speech.consumed_s / TOKEN_S)
        usage = {
            "input_tokens": self._input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": self._input_tokens + output_tokens,
        }
        yield _event({"type": "speech.audio.done", "usage": usage})

    def _envelope(self, error: GatewayError) -> Mapping[str, object]:
        problem = Problem(STATUS[type(error)], error.type, error.message, error.param, self._request_id)
        return OpenAIRoute.envelope(problem)


def _event(data: Mapping[str, object]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
