"""Encoding of a live session's speeches."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np

from backends.base import Audio
from gateway.audio.encode import Encoder
from gateway.audio.threads import start_in_thread, wait_until_done
from gateway.errors import InvalidRequest
from gateway.service.live.events import EncodedAudio, Flushed, SegmentDone, SegmentRefused, SegmentStarted
from gateway.service.live.filler import SilenceFiller
from gateway.service.live.opener import FlushMarker, Opener, QueuedSegment
from gateway.service.live.outbox import Outbox
from gateway.service.live.playback import PlaybackPosition
from gateway.service.speech import Speech, SpeechInfo, write
from gateway.service.synthesize import SILENCE_S
from gateway.text.segments import Segment

MAX_CHUNK_S = 0.1  # audio per event; bounds the audio sent after an interruption


class Player:
    """Encode speeches with one encoder and emit the events of the audio.

    :param rate_hz: the engine's sample rate.
    :param or_silence: see :class:`gateway.service.live.session.LiveSession`.
    :ivar playback: the positions of the audio that has been encoded since the session's start or the last interruption.
    :ivar segments: number of segments that have been started.
    :ivar finished: whether the encoder has been finished.
    """

    def __init__(self, info: SpeechInfo, rate_hz: int, outbox: Outbox, or_silence: bool):
        self.playback = PlaybackPosition(rate_hz)
        self.segments = 0
        self.finished = False
        self._rate_hz = rate_hz
        self._outbox = outbox
        self._filler = SilenceFiller(round(SILENCE_S * rate_hz) if or_silence else 0)
        self._encoder = Encoder(info.format, rate_hz, info.sample_rate_hz, True, info.bitrate_kbps)

    async def header(self) -> bytes:
        """Return the encoder's header; may be empty."""
        return await write(self._encoder, np.zeros(0, np.float32))

    async def run(self, opener: Opener) -> None:
        """Emit the audio of all items up to the end of the text."""
        while not self.finished:
            item = await opener.next()
            match item:
                case QueuedSegment(segment, Speech() as speech):
                    await self._speak(segment, speech)
                case QueuedSegment(segment, InvalidRequest(param="text") as error):
                    await self._outbox.put(SegmentRefused(self.segments, segment.start, segment.end, error))
                case QueuedSegment(_, error):
                    assert isinstance(error, Exception)  # noqa: S101 - the opener has set it
                    raise error
                case FlushMarker(position, ends_text):
                    await self._emit_silence(self._filler.flush(position, self.segments))
                    if ends_text:
                        await self._finish()
                    else:
                        await self._emit_silence(self._lag())  # push the encoder's delayed audio out
                        await self._outbox.put(Flushed(position))
            opener.played()

    def add_unread(self, opener: Opener) -> None:
        """Add the audio that the engine has made ahead: it makes the estimate of the spoken text more accurate."""
        match next(iter(opener.unplayed), None):
            case QueuedSegment(segment, Speech() as speech):
                chunks, is_complete = speech.take_unread()
                for chunk in chunks:
                    self.playback.add(segment, len(chunk.samples), chunk.text_span)
                if is_complete:
                    self.playback.complete()

    async def delayed_audio(self) -> bytes:
        """Push the encoder's delayed audio out and return it."""
        return await write(self._encoder, self._lag())

    def close(self) -> None:
        """Release the encoder."""
        self._encoder.close()

    async def _speak(self, segment: Segment, speech: Speech) -> None:
        span, first_sample = (self.segments, segment.start, segment.end), self.playback.samples
        self.segments += 1
        await self._outbox.put(SegmentStarted(*span, first_sample / self._rate_hz, segment.text.strip()))
        async with contextlib.aclosing(speech):
            async for chunk in speech.chunks():
                self.playback.add(segment, len(chunk.samples), chunk.text_span)
                for samples in self._split(chunk.samples):
                    await self._emit(samples)
        self.playback.complete()
        await self._outbox.put(SegmentDone(*span, (self.playback.samples - first_sample) / self._rate_hz))

    def _split(self, samples: Audio) -> Iterator[Audio]:
        if count := math.ceil(len(samples) / max(1, int(MAX_CHUNK_S * self._rate_hz))):
            yield from np.array_split(samples, count)  # equal parts: some clients drop very short ones

    async def _emit_silence(self, silence: Audio) -> None:
        if len(silence):
            self.playback.add_silence(len(silence))
            await self._emit(silence)

    async def _emit(self, samples: Audio) -> None:
        await self._outbox.put(EncodedAudio(await write(self._encoder, samples), len(samples)))

    def _lag(self) -> Audio:
        return np.zeros(math.ceil(self._encoder.lag_s * self._rate_hz), np.float32)

    async def _finish(self) -> None:
        """Finish the encoder. Its last output is kept even if an interruption cancels this task."""
        finishing = start_in_thread(self._encoder.finish)
        cancelled = await wait_until_done(finishing)
        self.finished = True
        self._outbox.put_now(EncodedAudio(finishing.result()), None)
        if cancelled is not None:
            raise cancelled
