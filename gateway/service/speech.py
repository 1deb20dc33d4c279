"""Speech under way: an engine's chunks on one side, encoded audio on the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import numpy as np

from backends.base import Audio, AudioChunk, Job
from gateway.audio.encode import Encoder
from gateway.audio.formats import AudioFormat
from gateway.audio.threads import in_thread
from gateway.engine.catalog import ConfiguredEngine
from gateway.errors import DeadlineExceeded, GatewayError, Overloaded, SynthesisFailed
from gateway.metrics import Metrics


@dataclass(frozen=True, slots=True)
class SpeechInfo:
    """What is known of the answer before its first byte."""

    engine: str
    model: str
    voice: str
    seed: int
    format: AudioFormat
    sample_rate_hz: int
    bitrate_kbps: int | None = None


class Backlog:
    """Audio that engines have made and clients have not read yet, of all speeches together."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self.used_bytes = 0

    def check(self) -> None:
        """Refuse new work while slow readers hold too much memory.

        :raises Overloaded: over the limit.
        """
        if self.used_bytes > self._max_bytes:
            raise Overloaded(
                f"{self.used_bytes} bytes of audio wait for clients that read slowly, more than the limit",
                retry_after_s=5.0,
            )


class Speech:
    """The answer to one request.

    :meth:`start` first; then either :meth:`read` or :meth:`stream`; :meth:`aclose` always, which aborts the job if
    it is still under way. The engine is drained by a task of its own, so that a slow reader holds audio in memory
    (bounded by the limit on text) but never a place in the engine.

    :ivar engine_rate_hz: the sample rate of :meth:`chunks`, in Hz.
    :ivar heard_s: how much audio :meth:`chunks` has given so far, in seconds.
    :param translate: turns what the engine client raises into what a user is told.
    :param gain: what every sample is multiplied by.
    """

    def __init__(
        self,
        info: SpeechInfo,
        job: Job,
        engine: ConfiguredEngine,
        engine_rate_hz: int,
        deadline_s: float,
        metrics: Metrics,
        backlog: Backlog,
        translate: Callable[[Exception], Exception],
        gain: float = 1.0,
    ):
        self.info = info
        self._job = job
        self._engine = engine
        self.engine_rate_hz = engine_rate_hz
        self.heard_s = 0.0
        self._deadline_s = deadline_s
        self._metrics = metrics
        self._backlog = backlog
        self._held_bytes = 0
        self._translate = translate
        self._gain = gain
        self._chunks: asyncio.Queue[AudioChunk | None] = asyncio.Queue()
        self._first: AudioChunk | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        self._arrived_at = asyncio.get_running_loop().time()

    async def start(self) -> None:
        """Wait for the first audio, so that whatever is wrong is known before the first byte of the answer.

        :raises GatewayError: why there will be no audio.
        """
        self._pump = asyncio.create_task(self._drain_engine())
        self._first = await self._next()

    async def read(self) -> tuple[bytes, float]:
        """The whole audio file, and its duration in seconds.

        :raises GatewayError: when it cannot be finished.
        """
        parts = [chunk.samples async for chunk in self.chunks()]
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        with self._encoder(streaming=False) as encoder:
            await _write(encoder, samples)
            data = await _finish(encoder, len(samples))
        return data, len(samples) / self.engine_rate_hz

    async def stream(self) -> AsyncIterator[bytes]:
        """The audio file piece by piece, each as soon as there is something to send.

        :raises GatewayError: when it breaks off.
        """
        with self._encoder(streaming=True) as encoder:
            async for chunk in self.chunks():
                if data := await _write(encoder, chunk.samples):
                    yield data
            if data := await _finish(encoder, 0):
                yield data

    async def chunks(self) -> AsyncIterator[AudioChunk]:
        """The engine's own audio, unencoded, at the volume asked for."""
        chunk = self._first
        while chunk is not None:
            self.heard_s += len(chunk.samples) / self.engine_rate_hz
            yield chunk if self._gain == 1.0 else replace(chunk, samples=chunk.samples * np.float32(self._gain))
            chunk = await self._next()

    def take_rest(self) -> tuple[list[AudioChunk], bool]:
        """What the engine has made and :meth:`chunks` has not given yet, and whether that is all there will be. For
        one who closes it next.
        """
        chunks: list[AudioChunk] = []
        while not self._chunks.empty():
            if (chunk := self._chunks.get_nowait()) is None:
                assert self._pump is not None  # noqa: S101 - it put the end there
                return chunks, self._pump.done() and not self._pump.cancelled() and self._pump.exception() is None
            chunks.append(chunk)
        return chunks, False

    async def aclose(self) -> None:
        """End it; the engine forgets the job at its next step."""
        self._hold(-self._held_bytes)
        if self._pump is None:
            return
        if not self._closed:
            self._closed = True
            self._pump.cancel()  # once: a second time would break off how the engine lets go of the job
            self._pump.add_done_callback(_outcome)
        if not self._pump.done():
            # Not `await self._pump`: its cancellation could not be told from one of whoever waits here.
            await asyncio.wait({self._pump})

    def _encoder(self, streaming: bool) -> Encoder:
        info = self.info
        return Encoder(info.format, self.engine_rate_hz, info.sample_rate_hz, streaming, info.bitrate_kbps)

    def _hold(self, size_bytes: int) -> None:
        self._held_bytes += size_bytes
        self._backlog.used_bytes += size_bytes

    async def _next(self) -> AudioChunk | None:
        chunk = await self._chunks.get()
        if chunk is not None:
            self._hold(-chunk.samples.nbytes)
        if chunk is None and self._pump is not None:
            await self._pump  # raises what went wrong, if anything did
        return chunk

    async def _drain_engine(self) -> None:
        """Wait for a place in the engine, and put what it makes into the queue; tell the metrics how it went."""
        outcome = "cancelled"
        try:
            async with asyncio.timeout(self._deadline_s), self._engine.admission.slot():
                await self._collect()
            outcome = "ok"
        except TimeoutError:
            outcome = DeadlineExceeded.type
            raise DeadlineExceeded(f"not finished within {self._deadline_s:g} s") from None
        except asyncio.CancelledError:
            raise
        except Exception as error:
            translated = self._translate(error)
            outcome = translated.type if isinstance(translated, GatewayError) else GatewayError.type
            raise translated from error
        finally:
            self._metrics.requests.labels(self._engine.label, outcome).inc()
            self._chunks.put_nowait(None)

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        label = self._engine.label
        began_at = loop.time()
        made_s = 0.0
        async with contextlib.aclosing(self._engine.client.submit(self._job)) as chunks:
            async for chunk in chunks:
                if not made_s:
                    self._metrics.first_audio_s.labels(label).observe(loop.time() - self._arrived_at)
                made_s += len(chunk.samples) / self.engine_rate_hz
                self._hold(chunk.samples.nbytes)
                self._chunks.put_nowait(chunk)
        if not made_s:
            raise SynthesisFailed("the engine finished without making any audio")
        self._metrics.audio_s.labels(label).inc(made_s)
        self._metrics.realtime_factor.labels(label).observe((loop.time() - began_at) / made_s)


def _outcome(pump: asyncio.Task[None]) -> None:
    """Take note of how it ended, so that asyncio does not complain that nobody did."""
    if not pump.cancelled():
        pump.exception()


async def _write(encoder: Encoder, samples: Audio) -> bytes:
    """Off the event loop, unless it is done before a thread would have begun."""
    if encoder.is_quick(len(samples)):
        return encoder.write(samples)
    return await in_thread(lambda: encoder.write(samples))


async def _finish(encoder: Encoder, held_samples: int) -> bytes:
    if encoder.is_quick(held_samples):
        return encoder.finish()
    return await in_thread(encoder.finish)
