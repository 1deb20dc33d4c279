"""A live session: incremental text input with streaming audio output.

The text is cut into segments (:mod:`gateway.text.segments`). Each is a separate request to the engine, with the
session's voice and seed. An :class:`Opener` opens them ahead, a :class:`Player` encodes their audio with one encoder
and puts events into the :class:`Outbox`. Both run in one task group, which an interruption cancels and starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from gateway.errors import InvalidRequest
from gateway.service.live.events import EncodedAudio, Interrupted, LiveEvent, SessionFinished
from gateway.service.live.opener import FlushMarker, Opener
from gateway.service.live.outbox import Outbox
from gateway.service.live.playback import PlaybackPosition
from gateway.service.live.player import Player
from gateway.service.live.tasks import cancel_and_wait
from gateway.service.synthesize import ResolvedRequest, Synthesizer
from gateway.settings import LiveSettings
from gateway.text.segments import Segmenter


@dataclass(slots=True)
class _Turn:
    """The text since the session's start or the last interruption.

    :ivar start: its position.
    :ivar first_sample: number of samples that were sent before.
    """

    opener: Opener
    start: int
    first_sample: int
    text: list[str] = field(default_factory=list)


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
        self._open_text = partial(synthesizer.open_text, resolved)
        self._settings = settings
        self._rate_hz = resolved.capabilities.sample_rate_hz
        alphabet = resolved.capabilities.alphabet
        max_bytes = min(settings.segment_bytes, resolved.max_text_chars)
        self._segmenter = Segmenter(max_bytes, alphabet.has) if alphabet else Segmenter(max_bytes)
        self._outbox = Outbox()
        self._player = Player(self.info, self._rate_hz, self._outbox, or_silence)
        self._sent_samples = 0
        self._turn = self._new_turn()
        self._speaking: asyncio.Task[None] | None = None
        self._text_ended = False
        self._drained = False
        self._can_interrupt = asyncio.Event()
        self._can_interrupt.set()

    async def __aenter__(self) -> Self:
        try:
            if header := await self._player.header():
                self._outbox.put_now(EncodedAudio(header))
        except BaseException:
            self._player.close()
            raise
        self._speaking = asyncio.create_task(self._speak())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await self._stop()
        finally:
            self._player.close()

    @property
    def position(self) -> int:
        """Number of characters received."""
        return self._segmenter.position

    @property
    def spoken_position(self) -> int:
        """The text position that the emitted audio reaches."""
        return self._player.playback.text_position(self._sent_samples - self._turn.first_sample)

    @property
    def busy(self) -> bool:
        """Whether segments or events are pending."""
        return bool(self._turn.opener.unplayed or self._outbox)

    def feed(self, text: str) -> None:
        """Append text.

        :raises InvalidRequest: if the session's text would be too long or has ended.
        """
        self._check_text_not_ended()
        limit = self._settings.text_chars
        if self.position + len(text) > limit:
            raise InvalidRequest(f"the session's text has over {limit} characters, the limit", param="text")
        if text:
            self._turn.text.append(text)
            self._turn.opener.put(*self._segmenter.feed(text))

    def flush(self) -> None:
        """Speak all text received so far, including an incomplete segment.

        :raises InvalidRequest: if the text has ended.
        """
        self._check_text_not_ended()
        opener, marker = self._turn.opener, FlushMarker(self.position)
        opener.put(*self._segmenter.flush())
        if not opener.unplayed or opener.unplayed[-1] != marker:  # pending flushes at one position get one answer
            opener.put(marker)

    def end(self) -> None:
        """End the text: speak the rest, then finish.

        :raises InvalidRequest: if the text has ended already.
        """
        self._check_text_not_ended()
        self._text_ended = True
        self._turn.opener.put(*self._segmenter.flush(), FlushMarker(self.position, ends_text=True))

    def drain(self) -> None:
        """End the text for shutdown: speak the complete segments, then finish."""
        if not self._text_ended:
            self._text_ended = self._drained = True
            self._turn.opener.put(FlushMarker(self.position, ends_text=True))

    async def interrupt(self, played_s: float | None = None) -> None:
        """Stop speaking and drop the unspoken text. Waits until an earlier interruption has been emitted.

        :param played_s: audio played since the session's start or the last interruption; default: all audio emitted.
        """
        await self._can_interrupt.wait()
        turn, player = self._turn, self._player
        player.add_unread(turn.opener)
        self._outbox.drop()  # at once, because the engine may take a while to stop
        await self._stop()
        self._outbox.drop()
        sent = self._sent_samples - turn.first_sample
        played = sent if played_s is None else min(sent, round(played_s * self._rate_hz))
        position = player.playback.text_position(played)
        text = "".join(turn.text)[: position - turn.start]
        if not player.finished:
            self._outbox.put_now(EncodedAudio(await player.delayed_audio()))
        self._segmenter.reset()
        self._turn = self._new_turn()
        player.playback = PlaybackPosition(self._rate_hz, self.position)
        self._outbox.put_now(Interrupted(position, text, self.position))
        self._can_interrupt.clear()
        if player.finished:
            self._outbox.put_now(None)
            return
        if self._text_ended:
            self._turn.opener.put(FlushMarker(self.position, ends_text=True))
        self._speaking = asyncio.create_task(self._speak())

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Iterate over the session's events, up to :class:`SessionFinished`. Audio counts as sent once yielded.

        :raises GatewayError: if the session fails.
        """
        while (event := await self._outbox.get()) is not None:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, EncodedAudio):
                self._sent_samples += event.samples
            if isinstance(event, Interrupted):
                self._can_interrupt.set()
            yield event
        duration_s = self._sent_samples / self._rate_hz
        yield SessionFinished(self.position, self._player.segments, duration_s, self._drained)

    def _check_text_not_ended(self) -> None:
        if self._text_ended:
            raise InvalidRequest("the text of the session has ended", param="type")

    def _new_turn(self) -> _Turn:
        return _Turn(Opener(self._open_text, self._settings.ahead + 1), self.position, self._sent_samples)

    async def _speak(self) -> None:
        """Speak the current turn. An error of the opener or the player cancels the other and ends the session."""
        opener = self._turn.opener
        try:
            async with asyncio.TaskGroup() as tasks:
                opening = tasks.create_task(opener.run())
                await self._player.run(opener)  # not a task of its own: a cancellation stops it at once
                opening.cancel()
        except* Exception as errors:  # noqa: BLE001 - raised by events()
            self._outbox.put_now(errors.exceptions[0])

    async def _stop(self) -> None:
        """Stop the current turn and close its speeches; the engine aborts their jobs at its next step."""
        if self._speaking is not None:
            await cancel_and_wait(self._speaking)
        await self._turn.opener.aclose()
