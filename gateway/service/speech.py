"""Speech in progress: collects an engine's audio chunks and encodes them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self, cast

import numpy as np

from backends.base import Audio, AudioChunk, Job, Trace
from gateway.audio.encode import Encoder
from gateway.audio.formats import AudioFormat
from gateway.audio.threads import in_thread
from gateway.engine.catalog import ConfiguredEngine
from gateway.engine.client import SpeechOutput
from gateway.engine.fair_queue import Priority, Ticket
from gateway.errors import DeadlineExceeded, GatewayError, Overloaded, SynthesisFailed
from gateway.metrics import Metrics
from gateway.service.auth import current_key
from gateway.text.mapped_text import MappedText
from gateway.text.normalize.scripts import languages_of
from gateway.text.sections import Pause


@dataclass(frozen=True, slots=True)
class SpeechInfo:
    """Properties of the audio that are known before its first byte.

    :param approximate_cloning: whether a reference was given that the model follows only roughly.
    :param note: how the audio differs from the request; may be empty.
    """

    engine: str
    model: str
    voice: str
    seed: int
    format: AudioFormat
    sample_rate_hz: int
    bitrate_kbps: int | None = None
    approximate_cloning: bool = False
    note: str = ""


MIN_LETTERS = 10  # of a text whose duration is checked


@dataclass(frozen=True, slots=True)
class SpokenPassage:
    """A passage of the text and the job that speaks it.

    :param text: the job's text.
    :param read_as: see :class:`gateway.text.sections.Passage`.
    :param gain: factor applied to every sample.
    :param stored_voice: name of the stored voice that is the job's reference, if any.
    :param min_s: shortest plausible duration of its audio, in seconds; see :func:`shortest_s`.
    :param is_limited: whether its options limit the duration, so that the text does not predict it.
    """

    job: Job
    text: MappedText
    read_as: str = ""
    gain: float = 1.0
    stored_voice: str | None = None
    min_s: float = 0.0
    is_limited: bool = False


def shortest_s(text: str, min_letter_s: float, speed: float) -> float:
    """A lower bound on the duration of a spoken text; 0 for a short text.

    A repeated letter counts once: "aaaah" and "www" may be one sound.

    :param min_letter_s: see :class:`backends.base.Capabilities`.
    """
    letters = [char for char in text if char.isalnum()]
    count = sum(char != before for before, char in pairwise(["", *letters]))
    return min_letter_s * count / speed if count >= MIN_LETTERS else 0.0


@dataclass(frozen=True, slots=True)
class CompleteSpeech:
    """A complete audio file.

    :param spoken_text: the text as it was spoken.
    """

    info: SpeechInfo
    data: bytes
    duration_s: float
    spoken_text: str


class Backlog:
    """Bytes of generated audio, and of responses, that clients have not read yet."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self.used_bytes = 0

    def check(self) -> None:
        """Refuse new work while slow readers hold too much memory.

        :raises Overloaded: if the backlog is over its limit.
        """
        if self.used_bytes > self._max_bytes:
            raise Overloaded(
                f"{self.used_bytes} bytes are waiting for slow clients: the limit is {self._max_bytes}",
                retry_after_s=5.0,
            )


class Speech:
    """The speech for one request.

    Call :meth:`start`, then :meth:`read`, :meth:`stream` or :meth:`chunks`, and always :meth:`aclose`, which aborts an
    unfinished job. A separate task collects the engine's audio, so that a slow reader holds memory (bounded by the
    limit on text) but no slot of the engine.

    :ivar engine_rate_hz: the sample rate of :meth:`chunks`, in Hz.
    :ivar consumed_s: duration of the audio that :meth:`chunks` has yielded.
    :ivar started_at: when an engine took the first job, on the event loop's clock; None: not yet.
    :ivar first_audio_at: when the first audio was generated.
    :ivar ended_at: when the last audio was generated.
    :param parts: passages and pauses, spoken in order.
    :param deadline_s: time limit for the audio.
    :param deadline_at: its end on the event loop's clock; default: ``deadline_s`` after the start.
    :param translate_error: converts the engine client's exceptions to user-facing ones; also receives the name of the
        stored voice that was to be cloned.
    :param traces: whether :meth:`outputs` yields traces too.
    :param priority: see :class:`gateway.engine.admission.Admission`.
    """

    def __init__(
        self,
        info: SpeechInfo,
        parts: Sequence[SpokenPassage | Pause],
        engine: ConfiguredEngine,
        engine_rate_hz: int,
        deadline_s: float,
        deadline_at: float | None,
        metrics: Metrics,
        backlog: Backlog,
        translate_error: Callable[[Exception, str | None], Exception],
        traces: bool = False,
        priority: Priority = "interactive",
    ):
        self.info = info
        self._parts = parts
        self._engine = engine
        self.engine_rate_hz = engine_rate_hz
        self.consumed_s = 0.0
        self.started_at: float | None = None
        self.first_audio_at: float | None = None
        self.ended_at: float | None = None
        self._deadline_s = deadline_s
        self._deadline_at = deadline_at
        self._metrics = metrics
        self._backlog = backlog
        self._backlog_bytes = 0
        self._translate_error = translate_error
        self._traces = traces
        self._priority = priority
        self._outputs: asyncio.Queue[SpeechOutput | None] = asyncio.Queue()
        self._first: SpeechOutput | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        self._stored_voice: str | None = None  # of the current passage
        self._arrived_at = asyncio.get_running_loop().time()

    @property
    def spoken_text(self) -> str:
        """The text as it is spoken; passages are separated by spaces."""
        return " ".join(part.text.text.strip() for part in self._parts if isinstance(part, SpokenPassage))

    @property
    def languages(self) -> list[str]:
        """Languages that the text is read in, as BCP 47 primary subtags, the most text first."""
        passages = [part for part in self._parts if isinstance(part, SpokenPassage)]
        return languages_of((part.text.text, part.read_as) for part in passages)

    async def start(self) -> Self:
        """Start the job and wait for the first output, so that early errors precede the first byte of the response.

        :raises GatewayError: if the job fails before its first output; the speech is closed then.
        """
        self._pump = asyncio.create_task(self._run_job())
        try:
            self._first = await self._next()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def read(self) -> tuple[bytes, float]:
        """Return the complete audio file and its duration in seconds.

        :raises GatewayError: if the job fails.
        """
        parts = [chunk.samples async for chunk in self.chunks()]
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        with self.encoder(streaming=False) as encoder:
            await write(encoder, samples)
            data = await finish(encoder, len(samples))
        return data, len(samples) / self.engine_rate_hz

    async def stream(self) -> AsyncIterator[bytes]:
        """Iterate over the bytes of the audio file while it is generated.

        :raises GatewayError: if the job fails.
        """
        with self.encoder(streaming=True) as encoder:
            async for chunk in self.chunks():
                if data := await write(encoder, chunk.samples):
                    yield data
            if data := await finish(encoder, 0):
                yield data

    def chunks(self) -> AsyncIterator[AudioChunk]:
        """Iterate over the unencoded audio of a speech without traces, as :meth:`outputs`."""
        return cast(AsyncIterator[AudioChunk], self.outputs())

    async def outputs(self) -> AsyncIterator[SpeechOutput]:
        """Iterate over the unencoded audio and the traces. Their spans are in the request's text.

        :raises GatewayError: if the job fails.
        """
        output = self._first
        while output is not None:
            if isinstance(output, AudioChunk):
                self.consumed_s += len(output.samples) / self.engine_rate_hz
            yield output
            output = await self._next()

    def take_unread(self) -> tuple[list[AudioChunk], bool]:
        """Return the chunks that :meth:`chunks` has not yielded yet, and whether the job is complete.

        To be called before :meth:`aclose` only: the chunks are removed.
        """
        chunks: list[AudioChunk] = []
        while not self._outputs.empty():
            if (output := self._outputs.get_nowait()) is None:
                assert self._pump is not None  # noqa: S101 - it has put the end marker
                return chunks, self._pump.done() and not self._pump.cancelled() and self._pump.exception() is None
            if isinstance(output, AudioChunk):
                chunks.append(output)
        return chunks, False

    async def aclose(self) -> None:
        """Close the speech; the engine aborts an unfinished job at its next step."""
        self._add_to_backlog(-self._backlog_bytes)
        if self._pump is None:
            return
        if not self._closed:
            self._closed = True
            self._pump.cancel()  # only once: a second cancellation would interrupt the abort of the job
            self._pump.add_done_callback(_retrieve_exception)
        if not self._pump.done():
            # Not `await self._pump`: its cancellation could not be distinguished from the caller's.
            await asyncio.wait({self._pump})

    def encoder(self, streaming: bool) -> Encoder:
        """An encoder for the audio of this speech."""
        info = self.info
        return Encoder(info.format, self.engine_rate_hz, info.sample_rate_hz, streaming, info.bitrate_kbps)

    def _add_to_backlog(self, size_bytes: int) -> None:
        self._backlog_bytes += size_bytes
        self._backlog.used_bytes += size_bytes

    async def _next(self) -> SpeechOutput | None:
        output = await self._outputs.get()
        if output is not None:
            self._add_to_backlog(-_size_bytes(output))
        elif self._pump is not None:
            await self._pump  # raises the job's error, if any
        return output

    async def _run_job(self) -> None:
        """Wait for a slot of the engine, queue its chunks, and count the outcome."""
        outcome = "cancelled"
        loop = asyncio.get_running_loop()
        queued_at = loop.time()
        deadline_at = self._deadline_at or queued_at + self._deadline_s
        try:
            ticket = self._ticket(deadline_at)
            async with asyncio.timeout_at(deadline_at), self._engine.slot(ticket):
                self._metrics.queue_s.labels(self._engine.label).observe(loop.time() - queued_at)
                ticket.audio_s = await self._collect_chunks()
            outcome = "ok"
        except TimeoutError:
            outcome = DeadlineExceeded.type
            raise DeadlineExceeded(f"not finished within {self._deadline_s:g} s") from None
        except asyncio.CancelledError:
            raise
        except Exception as error:
            translated = self._translate_error(error, self._stored_voice)
            outcome = translated.type if isinstance(translated, GatewayError) else GatewayError.type
            raise translated from error
        finally:
            self._metrics.requests.labels(self._engine.label, outcome).inc()
            self._outputs.put_nowait(None)

    def _ticket(self, deadline_at: float) -> Ticket:
        passages = [part for part in self._parts if isinstance(part, SpokenPassage)]
        seconds = sum(self._engine.lengths.predict(passage.job) for passage in passages)
        predictable = not any(passage.is_limited for passage in passages)
        return Ticket(seconds, current_key.get(), self._priority, deadline_at if predictable else math.inf)

    async def _collect_chunks(self) -> float:
        """Queue the chunks of all parts; return the duration of the generated audio, in seconds."""
        loop = asyncio.get_running_loop()
        label = self._engine.label
        self.started_at = loop.time()
        generated_s = 0.0
        silence_s = 0.0  # of pauses that are sent with the next passage, so that its refusal comes before any audio
        for part in self._parts:
            if isinstance(part, Pause):
                silence_s += part.duration_s
                continue
            self._stored_voice = part.stored_voice
            before_s = generated_s
            async with contextlib.aclosing(self._engine.client.submit(part.job)) as outputs:
                async for chunk in outputs:
                    if isinstance(chunk, Trace):
                        if self._traces:
                            self._put(replace(chunk, text_span=part.text.span(*chunk.text_span)))
                        continue
                    if not generated_s:
                        self.first_audio_at = loop.time()
                        self._metrics.first_audio_s.labels(label).observe(self.first_audio_at - self._arrived_at)
                    generated_s += len(chunk.samples) / self.engine_rate_hz
                    self._put_silence(silence_s)
                    silence_s = 0.0
                    self._put(_in_request(chunk, part))
            if 0 < generated_s - before_s < part.min_s:
                raise SynthesisFailed(
                    f"the engine generated {generated_s - before_s:.3f} s of audio for a text that takes at least "
                    f"{part.min_s:.2f} s; most of it was not spoken"
                )
            if generated_s > before_s and not part.is_limited:
                self._engine.lengths.learn(part.job, generated_s - before_s)
        self._put_silence(silence_s)
        self.ended_at = loop.time()
        if not generated_s:
            if any(isinstance(part, SpokenPassage) for part in self._parts):
                raise SynthesisFailed("the engine finished without generating audio")
            return 0.0
        self._metrics.audio_s.labels(label).inc(generated_s)
        self._metrics.realtime_factor.labels(label).observe((self.ended_at - self.started_at) / generated_s)
        return generated_s

    def _put(self, output: SpeechOutput) -> None:
        self._add_to_backlog(_size_bytes(output))
        self._outputs.put_nowait(output)

    def _put_silence(self, duration_s: float) -> None:
        if samples := round(duration_s * self.engine_rate_hz):
            self._put(AudioChunk("", np.zeros(samples, np.float32)))


def _in_request(chunk: AudioChunk, passage: SpokenPassage) -> AudioChunk:
    """A job's chunk at the passage's volume, with its span in the request's text: by default that of the passage."""
    span = passage.text.span(*(chunk.text_span or (0, len(passage.text))))
    samples = chunk.samples if passage.gain == 1.0 else chunk.samples * np.float32(passage.gain)
    return replace(chunk, samples=samples, text_span=span)


def _size_bytes(output: SpeechOutput) -> int:
    return output.samples.nbytes if isinstance(output, AudioChunk) else output.data.nbytes


def _retrieve_exception(pump: asyncio.Task[None]) -> None:
    """Retrieve the exception of a closed speech's task so that asyncio does not log it."""
    if not pump.cancelled():
        pump.exception()


async def write(encoder: Encoder, samples: Audio) -> bytes:
    """Encode samples, in a thread unless that would take longer than the encoding."""
    if encoder.is_quick(len(samples)):
        return encoder.write(samples)
    return await in_thread(lambda: encoder.write(samples))


async def finish(encoder: Encoder, held_samples: int) -> bytes:
    """Finish an encoder, as :func:`write`."""
    if encoder.is_quick(held_samples):
        return encoder.finish()
    return await in_thread(encoder.finish)
