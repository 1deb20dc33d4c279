"""A live session: incremental text input with streaming audio output.

The text is cut into segments (:mod:`gateway.text.segments`). Each is a separate request to the engine, with the
session's voice and seed. One task opens the segments in order, a few ahead of the one being sent. Another encodes their
audio with one encoder and appends events to a short queue. A slow reader therefore delays its own session only.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from backends.base import Audio
from gateway.audio.encode import Encoder
from gateway.audio.threads import in_thread, start_in_thread, wait_until_done
from gateway.errors import InvalidRequest, Overloaded, QueueFull
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
from gateway.service.live.filler import SilenceFiller
from gateway.service.live.playback import PlaybackPosition
from gateway.service.live.tasks import cancel_and_wait
from gateway.service.speech import Speech
from gateway.service.synthesize import SILENCE_S, ResolvedRequest, Synthesizer
from gateway.settings import LiveSettings
from gateway.text.segments import Segment, Segmenter

MAX_CHUNK_S = 0.1  # audio per event; bounds the audio sent after an interruption
MAX_UNSENT_EVENTS = 4


@dataclass(eq=False, slots=True)
class _QueuedSegment:
    """A segment that waits for its speech.

    :ivar started: whether opening its speech has started.
    :ivar speech: its speech, or the error of opening it.
    """

    segment: Segment
    started: bool = False
    speech: asyncio.Future[Speech] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class _FlushMarker:
    position: int


class _EndMarker:
    """The last item of the queue."""


class LiveSession:
    """One live session.

    An asynchronous context manager. Inside it, one task iterates :meth:`events` and another calls the other methods.

    :param or_silence: whether text without anything to speak becomes a short silence.
    :ivar info: describes the audio of the whole session.
    """

    def __init__(
        self, synthesizer: Synthesizer, resolved: ResolvedRequest, settings: LiveSettings, or_silence: bool = False
    ):
        self.info = resolved.info
        self._synthesizer = synthesizer
        self._resolved = resolved
        self._max_chars = settings.text_chars
        self._max_started = settings.ahead + 1
        self._rate_hz = resolved.capabilities.sample_rate_hz
        self._filler = SilenceFiller(round(SILENCE_S * self._rate_hz) if or_silence else 0)
        alphabet = resolved.capabilities.alphabet
        max_bytes = min(settings.segment_bytes, resolved.max_text_chars)
        self._segmenter = Segmenter(max_bytes, alphabet.has) if alphabet else Segmenter(max_bytes)
        self._encoder = Encoder(
            self.info.format,
            self._rate_hz,
            self.info.sample_rate_hz,
            streaming=True,
            bitrate_kbps=self.info.bitrate_kbps,
        )
        self._encoder_finished = False
        self._turn: list[str] = []  # the text since the session's start or the last interruption
        self._turn_start = 0
        self._playback = PlaybackPosition(self._rate_hz)
        self._sent_samples = 0  # in this turn
        self._sent_samples_before = 0  # in earlier turns
        self._segment_count = 0
        self._text_ended = False
        self._drained = False
        self._detached = False
        self._queue: deque[_QueuedSegment | _FlushMarker | _EndMarker] = deque()  # the first is being spoken
        self._speaking: tuple[Segment, Speech] | None = None
        self._outbox: deque[LiveEvent | Exception] = deque()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            if header := await self._encode(np.zeros(0, np.float32)):
                self._outbox.append(EncodedAudio(header))
        except BaseException:
            self._encoder.close()
            raise
        self._start_tasks()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.detach()
        try:
            await self._stop_tasks()
        finally:
            self._encoder.close()

    @property
    def position(self) -> int:
        """Number of characters received."""
        return self._segmenter.position

    @property
    def spoken_position(self) -> int:
        """The text position that the emitted audio reaches."""
        return self._playback.text_position(self._sent_samples)

    @property
    def busy(self) -> bool:
        """Whether segments or events are pending."""
        return bool(self._queue or self._outbox)

    def feed(self, text: str) -> None:
        """Append text.

        :raises InvalidRequest: if the session's text would be too long or has ended.
        """
        self._check_text_not_ended()
        if self.position + len(text) > self._max_chars:
            raise InvalidRequest(f"the session's text has over {self._max_chars} characters, the limit", param="text")
        if text:
            self._turn.append(text)
            self._enqueue(*map(_QueuedSegment, self._segmenter.feed(text)))

    def flush(self) -> None:
        """Speak all text received so far, including an incomplete segment.

        :raises InvalidRequest: if the text has ended.
        """
        self._check_text_not_ended()
        self._enqueue(*map(_QueuedSegment, self._segmenter.flush()))
        if self._queue and self._queue[-1] == _FlushMarker(self.position):
            return  # consecutive flushes at one position get one answer
        self._enqueue(_FlushMarker(self.position))

    def end(self) -> None:
        """End the text: speak the rest, then finish.

        :raises InvalidRequest: if the text has ended already.
        """
        self._check_text_not_ended()
        self._text_ended = True
        self._enqueue(*map(_QueuedSegment, self._segmenter.flush()), _EndMarker())

    def drain(self) -> None:
        """End the text for shutdown: speak the complete segments, then finish."""
        if not self._text_ended:
            self._text_ended = self._drained = True
            self._enqueue(_EndMarker())

    def detach(self) -> None:
        """Declare that :meth:`events` is no longer iterated, so that nothing waits for it."""
        self._detached = True
        self._changed.set()

    async def interrupt(self, played_s: float | None = None) -> None:
        """Stop speaking and drop the unspoken text. Waits until an earlier interruption has been emitted.

        :param played_s: audio played since the session's start or the last interruption; default: all audio emitted.
        """
        await self._wait_until(lambda: self._detached or not self._has_unsent_interruption())
        if self._detached:
            return
        self._add_unread_audio()
        self._drop_unsent()  # at once, because the engine may take a while to stop
        await self._stop_tasks()
        self._drop_unsent()
        played = self._sent_samples if played_s is None else min(self._sent_samples, round(played_s * self._rate_hz))
        position = self._playback.text_position(played)
        text = "".join(self._turn)[: position - self._turn_start]
        self._segmenter.reset()
        self._turn, self._turn_start = [], self.position
        self._sent_samples_before += self._sent_samples
        self._playback, self._sent_samples = PlaybackPosition(self._rate_hz, self.position), 0
        if not self._encoder_finished:  # push the encoder's delayed audio out before the interruption
            self._outbox.append(EncodedAudio(await self._encode(self._silence())))
        self._outbox.append(Interrupted(position, text, self.position))
        if self._encoder_finished:
            self._outbox.append(self._finished())
        else:
            self._start_tasks()
            if self._text_ended:
                self._queue.append(_EndMarker())
        self._changed.set()

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Iterate over the session's events, up to :class:`SessionFinished`. Audio counts as sent once yielded.

        :raises GatewayError: if the session fails.
        """
        while True:
            await self._wait_until(lambda: self._outbox)
            event = self._outbox.popleft()
            self._changed.set()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, EncodedAudio):
                self._sent_samples += event.samples
            yield event
            if isinstance(event, SessionFinished):
                return

    def _has_unsent_interruption(self) -> bool:
        return any(isinstance(event, Interrupted) for event in self._outbox)

    def _check_text_not_ended(self) -> None:
        if self._text_ended:
            raise InvalidRequest("the text of the session has ended", param="type")

    def _enqueue(self, *items: _QueuedSegment | _FlushMarker | _EndMarker) -> None:
        self._queue.extend(items)
        self._changed.set()

    async def _wait_until(self, ready: Callable[[], object]) -> None:
        while not ready():
            self._changed.clear()
            await self._changed.wait()

    def _start_tasks(self) -> None:
        self._tasks = {asyncio.create_task(self._open_ahead()), asyncio.create_task(self._process_queue())}

    async def _stop_tasks(self) -> None:
        """Cancel the tasks and close all speeches; the engine aborts their jobs at its next step."""
        await cancel_and_wait(*self._tasks)
        while self._queue:
            item = self._queue[0]
            if isinstance(item, _QueuedSegment) and item.speech.done() and item.speech.exception() is None:
                await item.speech.result().aclose()
            self._queue.popleft()

    def _drop_unsent(self) -> None:
        """Drop unsent events, except errors and the encoder's header and trailer, which keep the file valid."""
        self._outbox = deque(
            event
            for event in self._outbox
            if isinstance(event, Exception) or (isinstance(event, EncodedAudio) and not event.samples)
        )

    def _add_unread_audio(self) -> None:
        """Add the audio that the engine has made ahead: it makes the estimate of the spoken text more accurate."""
        if self._speaking is not None:
            segment, speech = self._speaking
            chunks, is_complete = speech.take_unread()
            for chunk in chunks:
                self._playback.add(segment, len(chunk.samples), chunk.text_span)
            if is_complete:
                self._playback.complete()

    async def _open_ahead(self) -> None:
        """Open the segments in order, each after the first audio of the previous one."""
        while True:
            await self._wait_until(lambda: self._next_to_open() is not None)
            item = self._next_to_open()
            assert item is not None  # noqa: S101 - no other task ran since the check
            item.started = True
            try:
                item.speech.set_result(await self._open(item))
            except Exception as error:  # noqa: BLE001 - raised in _speak
                item.speech.set_exception(error)

    async def _open(self, item: _QueuedSegment) -> Speech:
        text = item.segment.text.strip()
        start = item.segment.end - len(item.segment.text.lstrip())
        try:
            return await self._synthesizer.open_text(self._resolved, text, start)
        except (QueueFull, Overloaded):
            if self._queue[0] is item:
                raise
        # The session's own jobs may occupy the engine: try again when this segment is the first in the queue.
        await self._wait_until(lambda: self._queue[0] is item)
        return await self._synthesizer.open_text(self._resolved, text, start)

    def _next_to_open(self) -> _QueuedSegment | None:
        """The next segment to open; None if no segment may be opened now."""
        started_count = 0
        for item in self._queue:
            if started_count >= self._max_started:
                return None
            if isinstance(item, _QueuedSegment):
                if not item.started:
                    return item
                started_count += 1
        return None

    async def _process_queue(self) -> None:
        try:
            while True:
                await self._wait_until(lambda: self._queue)
                item = self._queue[0]
                if isinstance(item, _QueuedSegment):
                    await self._speak(item)
                elif isinstance(item, _FlushMarker):
                    await self._emit_silence(self._filler.flush(item.position, self._segment_count))
                    await self._emit_silence(self._silence())  # push the encoder's delayed audio out
                    await self._emit(Flushed(item.position))
                else:
                    await self._finish_encoder()
                self._queue.popleft()
                self._changed.set()
                if self._encoder_finished:
                    return
        except Exception as error:  # noqa: BLE001 - raised by events()
            self._outbox.append(error)
            self._changed.set()

    async def _speak(self, item: _QueuedSegment) -> None:
        """Emit the audio of a segment once its speech is open."""
        await asyncio.wait([item.speech])
        segment, index = item.segment, self._segment_count
        try:
            speech = item.speech.result()
        except InvalidRequest as error:
            if error.param != "text":
                raise
            await self._emit(SegmentRefused(index, segment.start, segment.end, error))
            return
        self._segment_count += 1
        self._speaking = segment, speech
        first_sample = self._playback.samples
        try:
            at_s = first_sample / self._rate_hz
            await self._emit(SegmentStarted(index, segment.start, segment.end, at_s, segment.text.strip()))
            async for chunk in speech.chunks():
                self._playback.add(segment, len(chunk.samples), chunk.text_span)
                for samples in self._split(chunk.samples):
                    await self._emit(EncodedAudio(await self._encode(samples), len(samples)))
            self._playback.complete()
        finally:
            self._speaking = None
            await speech.aclose()
        await self._emit(
            SegmentDone(index, segment.start, segment.end, (self._playback.samples - first_sample) / self._rate_hz)
        )

    def _split(self, samples: Audio) -> Iterator[Audio]:
        if count := math.ceil(len(samples) / max(1, int(MAX_CHUNK_S * self._rate_hz))):
            yield from np.array_split(samples, count)  # equal parts: some clients drop very short ones

    async def _finish_encoder(self) -> None:
        """Finish the encoder. Its last output is kept even if an interruption cancels this task."""
        await self._emit_silence(self._filler.flush(self.position, self._segment_count))
        finishing = start_in_thread(self._encoder.finish)
        cancelled = await wait_until_done(finishing)
        self._encoder_finished = True
        self._outbox += [EncodedAudio(finishing.result()), self._finished()]
        if cancelled is not None:
            raise cancelled

    async def _emit_silence(self, silence: Audio) -> None:
        if len(silence):
            self._playback.add_silence(len(silence))
            await self._emit(EncodedAudio(await self._encode(silence), len(silence)))

    def _silence(self) -> Audio:
        return np.zeros(math.ceil(self._encoder.lag_s * self._rate_hz), np.float32)

    def _finished(self) -> SessionFinished:
        duration_s = (self._sent_samples_before + self._playback.samples) / self._rate_hz
        return SessionFinished(self.position, self._segment_count, duration_s, self._drained)

    async def _emit(self, event: LiveEvent) -> None:
        await self._wait_until(lambda: len(self._outbox) < MAX_UNSENT_EVENTS)
        self._outbox.append(event)
        self._changed.set()

    async def _encode(self, samples: Audio) -> bytes:
        if self._encoder.is_quick(len(samples)):
            return self._encoder.write(samples)
        return await in_thread(lambda: self._encoder.write(samples))
