"""Text in while audio flows out: a session of someone who listens while the text is still being written.

The text is cut into segments (:mod:`gateway.text.segments`), each a request of its own to the engine, all with the
session's voice and seed. One task opens them in turn, a few ahead of what is being sent; another encodes their audio
through one encoder. What comes of that waits in a short queue for whoever sends it: a slow reader holds up the session,
and nothing else.
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
    Event,
    Finished,
    Flushed,
    Interrupted,
    Piece,
    SegmentBegan,
    SegmentDone,
    SegmentRefused,
)
from gateway.service.live.spoken import Spoken
from gateway.service.live.tasks import end_tasks
from gateway.service.speech import Speech
from gateway.service.synthesize import ResolvedRequest, Synthesizer
from gateway.settings import LiveSettings
from gateway.text.segments import Segment, Segmenter

PIECE_S = 0.1  # of audio in one piece at most: so much an interruption may come too late
WAITING = 4  # events that wait to be sent


@dataclass(eq=False, slots=True)
class _Part:
    """A segment on its way. :ivar speech: its audio, or why there is none."""

    segment: Segment
    begun: bool = False
    speech: asyncio.Future[Speech] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class _Flush:
    position: int


class _End:
    """Behind everything else."""


class LiveSession:
    """One session. An asynchronous context manager: :meth:`events` is iterated once inside it, and the other methods
    are called meanwhile, one at a time.

    :ivar info: what is known of all its audio.
    """

    def __init__(self, synthesizer: Synthesizer, resolved: ResolvedRequest, settings: LiveSettings):
        self.info = resolved.info
        self._synthesizer = synthesizer
        self._resolved = resolved
        self._max_chars = settings.text_chars
        self._max_begun = settings.ahead + 1
        self._rate_hz = resolved.capabilities.sample_rate_hz
        self._segmenter = Segmenter(min(settings.segment_bytes, resolved.max_text_chars))
        self._encoder = Encoder(
            self.info.format,
            self._rate_hz,
            self.info.sample_rate_hz,
            streaming=True,
            bitrate_kbps=self.info.bitrate_kbps,
        )
        self._encoded_all = False
        self._turn: list[str] = []  # the text since the beginning, or the last interruption
        self._turn_start = 0
        self._spoken = Spoken(self._rate_hz)
        self._sent = 0  # samples of the turn
        self._sent_before = 0  # samples of the turns before
        self._segments = 0
        self._ended = False
        self._wound_up = False
        self._left = False
        self._items: deque[_Part | _Flush | _End] = deque()  # the first one is being spoken
        self._playing: tuple[Segment, Speech] | None = None
        self._out: deque[Event | Exception] = deque()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            if header := await self._encode(np.zeros(0, np.float32)):
                self._out.append(Piece(header))
        except BaseException:
            self._encoder.close()
            raise
        self._start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.leave()
        try:
            await self._stop()
        finally:
            self._encoder.close()

    @property
    def position(self) -> int:
        """How many characters of text came so far."""
        return self._segmenter.position

    @property
    def spoken(self) -> int:
        """The place in the text that the audio handed out so far reaches."""
        return self._spoken.position(self._sent)

    @property
    def busy(self) -> bool:
        """Whether something is to be spoken or handed out yet."""
        return bool(self._items or self._out)

    def feed(self, text: str) -> None:
        """Take further text.

        :raises InvalidRequest: the session's text becomes too long, or has ended.
        """
        self._check_going_on()
        if self.position + len(text) > self._max_chars:
            raise InvalidRequest(f"the text of the session has more than {self._max_chars} characters", param="text")
        if text:
            self._turn.append(text)
            self._enqueue(*map(_Part, self._segmenter.feed(text)))

    def flush(self) -> None:
        """Speak what there is, as if nothing followed.

        :raises InvalidRequest: the text has ended.
        """
        self._check_going_on()
        self._enqueue(*map(_Part, self._segmenter.flush()))
        if self._items and self._items[-1] == _Flush(self.position):
            return  # one answer is enough
        self._enqueue(_Flush(self.position))

    def end(self) -> None:
        """Finish with what there is.

        :raises InvalidRequest: that was said before.
        """
        self._check_going_on()
        self._ended = True
        self._enqueue(*map(_Part, self._segmenter.flush()), _End())

    def wind_up(self) -> None:
        """Finish with the segments that are complete, and take no further text."""
        if not self._ended:
            self._ended = self._wound_up = True
            self._enqueue(_End())

    def leave(self) -> None:
        """Nobody takes :meth:`events` any more, so that nothing needs to wait until they are told."""
        self._left = True
        self._changed.set()

    async def interrupt(self, played_s: float | None = None) -> None:
        """Stop speaking, and drop the text that was not spoken. Waits while an earlier interruption is not told yet.

        :param played_s: how much was heard of the audio since the beginning, or the last interruption; default: all
            that was handed out.
        """
        await self._until(lambda: self._left or not any(isinstance(event, Interrupted) for event in self._out))
        if self._left:
            return
        self._look_ahead()
        self._drop_waiting()  # before anything else, which may take the engine a while
        await self._stop()
        self._drop_waiting()
        heard = self._sent if played_s is None else min(self._sent, round(played_s * self._rate_hz))
        position = self._spoken.position(heard)
        text = "".join(self._turn)[: position - self._turn_start]
        self._segmenter.reset()
        self._turn, self._turn_start = [], self.position
        self._sent_before += self._sent
        self._spoken, self._sent = Spoken(self._rate_hz, self.position), 0
        if not self._encoded_all:  # what the encoder holds back belongs to the past
            self._out.append(Piece(await self._encode(self._silence())))
        self._out.append(Interrupted(position, text, self.position))
        if self._encoded_all:
            self._out.append(self._finished())
        else:
            self._start()
            if self._ended:
                self._items.append(_End())
        self._changed.set()

    async def events(self) -> AsyncIterator[Event]:
        """What comes of it, up to :class:`Finished`. Audio counts as sent as soon as it is handed out.

        :raises GatewayError: why it ends early.
        """
        while True:
            await self._until(lambda: self._out)
            event = self._out.popleft()
            self._changed.set()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Piece):
                self._sent += event.length
            yield event
            if isinstance(event, Finished):
                return

    def _check_going_on(self) -> None:
        if self._ended:
            raise InvalidRequest("the text of the session has ended", param="type")

    def _enqueue(self, *items: _Part | _Flush | _End) -> None:
        self._items.extend(items)
        self._changed.set()

    async def _until(self, ready: Callable[[], object]) -> None:
        while not ready():
            self._changed.clear()
            await self._changed.wait()

    def _start(self) -> None:
        self._tasks = {asyncio.create_task(self._open_ahead()), asyncio.create_task(self._play_all())}

    async def _stop(self) -> None:
        """End what is under way; the engine forgets its jobs at its next step."""
        await end_tasks(*self._tasks)
        while self._items:
            part = self._items[0]
            if isinstance(part, _Part) and part.speech.done() and part.speech.exception() is None:
                await part.speech.result().aclose()
            self._items.popleft()

    def _drop_waiting(self) -> None:
        """Headers and trailers stay, so that it is one file as before; so does an error."""
        self._out = deque(
            event
            for event in self._out
            if isinstance(event, Exception) or (isinstance(event, Piece) and not event.length)
        )

    def _look_ahead(self) -> None:
        """Note what the engine has made of the segment being spoken: it tells how far in it what was sent reaches."""
        if self._playing is not None:
            segment, speech = self._playing
            chunks, is_all = speech.take_rest()
            for chunk in chunks:
                self._spoken.add(segment, len(chunk.samples), chunk.text_span)
            if is_all:
                self._spoken.complete()

    async def _open_ahead(self) -> None:
        """Open one segment after the other: the next one when there is audio of the one before."""
        while True:
            await self._until(lambda: self._next_part() is not None)
            part = self._next_part()
            assert part is not None  # noqa: S101 - nothing happened since
            part.begun = True
            try:
                part.speech.set_result(await self._open(part))
            except Exception as error:  # noqa: BLE001 - raised where its audio would be
                part.speech.set_exception(error)

    async def _open(self, part: _Part) -> Speech:
        text = part.segment.text.strip()
        try:
            return await self._synthesizer.open_text(self._resolved, text)
        except (QueueFull, Overloaded):
            if self._items[0] is part:
                raise
        # It was early. The session's own jobs may be what it had to wait for: once more when its turn has come.
        await self._until(lambda: self._items[0] is part)
        return await self._synthesizer.open_text(self._resolved, text)

    def _next_part(self) -> _Part | None:
        """The segment to be opened now, if any may be."""
        begun = 0
        for item in self._items:
            if begun >= self._max_begun:
                return None
            if isinstance(item, _Part):
                if not item.begun:
                    return item
                begun += 1
        return None

    async def _play_all(self) -> None:
        try:
            while True:
                await self._until(lambda: self._items)
                item = self._items[0]
                if isinstance(item, _Part):
                    await self._play(item)
                elif isinstance(item, _Flush):
                    await self._pause()
                    await self._put(Flushed(item.position))
                else:
                    await self._finish()
                self._items.popleft()
                self._changed.set()
                if self._encoded_all:
                    return
        except Exception as error:  # noqa: BLE001 - raised to whoever sends the events
            self._out.append(error)
            self._changed.set()

    async def _play(self, part: _Part) -> None:
        """All audio of a segment, once it is open."""
        await asyncio.wait([part.speech])
        segment, index = part.segment, self._segments
        try:
            speech = part.speech.result()
        except InvalidRequest as error:
            if error.param != "text":
                raise
            await self._put(SegmentRefused(index, segment.start, segment.end, error))
            return
        self._segments += 1
        self._playing = segment, speech
        began_at = self._spoken.length
        try:
            await self._put(SegmentBegan(index, segment.start, segment.end, began_at / self._rate_hz))
            async for chunk in speech.chunks():
                self._spoken.add(segment, len(chunk.samples), chunk.text_span)
                for samples in self._pieces(chunk.samples):
                    await self._put(Piece(await self._encode(samples), len(samples)))
            self._spoken.complete()
        finally:
            self._playing = None
            await speech.aclose()
        await self._put(
            SegmentDone(index, segment.start, segment.end, (self._spoken.length - began_at) / self._rate_hz)
        )

    def _pieces(self, samples: Audio) -> Iterator[Audio]:
        size = max(1, int(PIECE_S * self._rate_hz))
        for start in range(0, len(samples), size):
            yield samples[start : start + size]

    async def _pause(self) -> None:
        """Push out what the encoder holds back: nobody knows when more comes."""
        silence = self._silence()
        if len(silence):
            self._spoken.pause(len(silence))
            await self._put(Piece(await self._encode(silence), len(silence)))

    async def _finish(self) -> None:
        """End the audio. What that gives is kept even when an interruption comes meanwhile."""
        finishing = start_in_thread(self._encoder.finish)
        cancelled = await wait_until_done(finishing)
        self._encoded_all = True
        self._out += [Piece(finishing.result()), self._finished()]
        if cancelled is not None:
            raise cancelled

    def _silence(self) -> Audio:
        return np.zeros(math.ceil(self._encoder.lag_s * self._rate_hz), np.float32)

    def _finished(self) -> Finished:
        duration_s = (self._sent_before + self._spoken.length) / self._rate_hz
        return Finished(self.position, self._segments, duration_s, self._wound_up)

    async def _put(self, event: Event) -> None:
        await self._until(lambda: len(self._out) < WAITING)
        self._out.append(event)
        self._changed.set()

    async def _encode(self, samples: Audio) -> bytes:
        if self._encoder.is_quick(len(samples)):
            return self._encoder.write(samples)
        return await in_thread(lambda: self._encoder.write(samples))
