"""Speech for text that is still being written: by a gateway's live socket, or by a SageMaker endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Literal, NamedTuple, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from gateway.cli.chat.streams import events, opened, retrieve_error
from gateway.cli.console import err
from gateway.cli.remote import RemoteGateway, is_local
from gateway.deploy.aws import Aws
from gateway.errors import GatewayError, SynthesisFailed
from gateway.text.segments import Segment, Segmenter

_SEGMENT_BYTES = 300  # as live.segment_bytes
_STREAM = "sagemaker-runtime:InvokeEndpointWithResponseStream"


class Pcm(NamedTuple):
    """16-bit little-endian mono audio, whole samples."""

    rate_hz: int
    data: bytes


class Voice(Protocol):
    """A gateway or an endpoint that speaks a text as it arrives."""

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[Pcm]:
        """Yield audio while the text arrives.

        :raises GatewayError: if the gateway refuses or fails.
        :raises AwsError: if the endpoint does.
        """


class GatewayVoice:
    """A gateway's live session for each text.

    :param fields: those of the ``start`` message.
    """

    def __init__(self, server: RemoteGateway, fields: dict[str, Any]):
        self._server = server
        self._start = {"type": "start", **fields, "format": "pcm"}

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[Pcm]:
        """See :class:`Voice`."""
        url = self._server.url.replace("http", "ws", 1) + "/tts/stream"
        proxy: Literal[True] | None = None if is_local(self._server.url) else True  # the one of the environment
        try:
            async with connect(
                url, additional_headers=self._server.headers, compression=None, max_size=None, proxy=proxy
            ) as socket:
                writing = asyncio.create_task(self._write(socket, text))
                try:
                    async for pcm in _received(socket):
                        yield pcm
                    await writing  # whose error ends the connection
                except ConnectionClosed as error:
                    raise SynthesisFailed(f"{self._server.url} closed the connection: {error}") from None
                finally:
                    writing.cancel()
                    await asyncio.wait([writing])
                    retrieve_error(writing)
        except InvalidStatus as error:
            raise SynthesisFailed(f"{self._server.url} answered {_message(bytes(error.response.body))}") from None
        except (OSError, InvalidHandshake) as error:
            raise SynthesisFailed(f"{self._server.url} does not answer: {error}") from None

    async def _write(self, socket: ClientConnection, text: AsyncIterator[str]) -> None:
        try:
            await socket.send(json.dumps(self._start))
            async for delta in text:
                await socket.send(json.dumps({"type": "text", "text": delta}))
            await socket.send(json.dumps({"type": "end"}))
        except BaseException:
            await socket.close()  # so that the reader ends
            raise


class EndpointVoice:
    """A SageMaker endpoint, with one streamed request for each segment of the text.

    boto3 has no client for the endpoint's bidirectional stream, which would take the text as it comes.

    :param fields: those of ``/invocations``.
    """

    def __init__(self, aws: Aws, endpoint: str, component: str | None, fields: dict[str, Any]):
        self._aws = aws
        self._fields = {**fields, "stream": True}
        self._call = {"EndpointName": endpoint, "ContentType": "application/json", "Accept": "audio/pcm"}
        if component:
            self._call["InferenceComponentName"] = component

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[Pcm]:
        """See :class:`Voice`."""
        queue: asyncio.Queue[Segment | None] = asyncio.Queue()
        cutting = asyncio.create_task(_cut(text, queue))
        try:
            while (segment := await queue.get()) is not None:
                async with aclosing(self._segment(segment.text.strip())) as audio:
                    async for pcm in audio:
                        yield pcm
            await cutting
        finally:
            cutting.cancel()
            await asyncio.wait([cutting])
            retrieve_error(cutting)

    async def _segment(self, text: str) -> AsyncGenerator[Pcm, None]:
        body = json.dumps({**self._fields, "text": text})
        rate_hz, rest = 0, b""

        def call() -> Any:
            nonlocal rate_hz
            operation = "invoke_endpoint_with_response_stream"
            answer = self._aws.call("sagemaker-runtime", operation, **self._call, Body=body)
            rate_hz = _rate(answer["ContentType"])
            return answer["Body"]

        async with aclosing(events(self._aws, await opened(call), _STREAM)) as found:
            async for event in found:
                data = rest + event["PayloadPart"]["Bytes"]
                whole = len(data) // 2 * 2  # a part may end within a sample
                rest = data[whole:]
                yield Pcm(rate_hz, data[:whole])


async def _received(socket: ClientConnection) -> AsyncIterator[Pcm]:
    rate_hz = 0
    async for message in socket:
        if isinstance(message, bytes):
            yield Pcm(rate_hz, message)
            continue
        event = json.loads(message)
        if event["type"] == "started":
            rate_hz = event["sample_rate"]
        elif event["type"] == "segment_refused":
            err.print(f"not spoken: {event['error']['message']}", soft_wrap=True)
        elif event["type"] == "error":
            raise GatewayError(event["error"]["message"], param=event["error"].get("param"))


async def _cut(text: AsyncIterator[str], queue: asyncio.Queue[Segment | None]) -> None:
    segmenter = Segmenter(_SEGMENT_BYTES)
    try:
        async for delta in text:
            for segment in segmenter.feed(delta):
                queue.put_nowait(segment)
        for segment in segmenter.flush():
            queue.put_nowait(segment)
    finally:
        queue.put_nowait(None)


def _rate(content_type: str) -> int:
    parameters = dict(part.strip().partition("=")[::2] for part in content_type.split(";")[1:])
    try:
        return int(parameters["rate"])
    except (KeyError, ValueError):
        raise SynthesisFailed(f"the endpoint answered {content_type!r}, not audio/pcm;rate=…") from None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]
