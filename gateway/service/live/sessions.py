"""All live sessions: how many there may be, and how they end when the gateway does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from gateway.errors import Overloaded
from gateway.metrics import Metrics
from gateway.service.live.session import LiveSession
from gateway.service.request import VoiceSpec
from gateway.service.synthesize import Synthesizer
from gateway.settings import LiveSettings

_RETRY_S = 5.0
_FAREWELL_S = 1.0  # for those that are cut off to say so


class LiveSessions:
    """Gives places to sessions, and makes them.

    :ivar draining: set when no further text is to be taken, and what is being spoken is to be finished.
    :ivar over: set when there is no time left for that either.
    """

    def __init__(self, synthesizer: Synthesizer, settings: LiveSettings, metrics: Metrics):
        self.settings = settings
        self.draining = asyncio.Event()
        self.over = asyncio.Event()
        self._synthesizer = synthesizer
        self._metrics = metrics
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold the place of one session.

        :raises Overloaded: all are taken, or the gateway is about to end.
        """
        if self.draining.is_set():
            raise Overloaded("the gateway is shutting down", retry_after_s=_RETRY_S)
        if self._count >= self.settings.sessions:
            raise Overloaded(
                f"{self._count} live sessions are open, as many as live.sessions allows", retry_after_s=_RETRY_S
            )
        self._count += 1
        self._empty.clear()
        self._metrics.live_sessions.set(self._count)
        try:
            yield
        finally:
            self._count -= 1
            self._metrics.live_sessions.set(self._count)
            if not self._count:
                self._empty.set()

    async def open(self, spec: VoiceSpec) -> LiveSession:
        """Open a session with one engine, voice, format and set of options.

        :raises GatewayError: naming the field that is wrong, or why the engine takes no requests now.
        """
        return LiveSession(self._synthesizer, await self._synthesizer.resolve(spec), self.settings)

    async def drain(self, within_s: float) -> None:
        """Let every session finish what it speaks, and cut off those that take longer."""
        self.draining.set()
        for patience_s in (within_s, _FAREWELL_S):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._empty.wait()
            self.over.set()
