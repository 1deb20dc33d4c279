"""Live sessions of the gateway: their limit and their shutdown."""

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
_CLOSE_S = 1.0  # for the close messages of sessions that are cut off


class LiveSessions:
    """Limit, open and drain live sessions.

    :ivar draining: set when sessions must accept no further text and finish what they have.
    :ivar drain_expired: set when sessions must end at once.
    """

    def __init__(self, synthesizer: Synthesizer, settings: LiveSettings, metrics: Metrics):
        self.settings = settings
        self.draining = asyncio.Event()
        self.drain_expired = asyncio.Event()
        self._synthesizer = synthesizer
        self._metrics = metrics
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Hold the slot of one session for the duration of the context.

        :raises Overloaded: if all slots are taken, or during shutdown.
        """
        if self.draining.is_set():
            raise Overloaded("the gateway is shutting down", retry_after_s=_RETRY_S)
        if self._count >= self.settings.sessions:
            raise Overloaded(
                f"{self._count} live sessions are open: the limit is live.sessions = {self.settings.sessions}",
                retry_after_s=_RETRY_S,
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

    async def open(self, spec: VoiceSpec, or_silence: bool = False) -> LiveSession:
        """Open a session with one engine, voice, format and set of options.

        :param or_silence: see :class:`LiveSession`.
        :raises GatewayError: naming the invalid field, or the reason why the engine is unavailable.
        """
        return LiveSession(self._synthesizer, await self._synthesizer.resolve(spec), self.settings, or_silence)

    async def drain(self, within_s: float) -> None:
        """Let every session finish its complete segments; cut off sessions that take longer."""
        self.draining.set()
        for timeout_s in (within_s, _CLOSE_S):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()
            self.drain_expired.set()
