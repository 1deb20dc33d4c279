"""Load queue: requests that wait for an engine to be loaded."""

from __future__ import annotations

import asyncio

import structlog

from backends.base import Capabilities
from gateway.engine.client import LOADING_RETRY_S, EngineClient, State
from gateway.errors import QueueFull

log = structlog.get_logger(__name__)

POLL_S = 0.05


class LoadQueue:
    """Let a bounded number of requests wait until one engine is ready, each for a limited time.

    :param max_waiting: number of requests that may wait.
    :param wait_s: longest wait; 0: requests do not wait.
    :ivar waiting: number of waiting requests.
    """

    def __init__(self, client: EngineClient, max_waiting: int, wait_s: float):
        self._client = client
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self.waiting = 0

    async def ready(self, until: float | None = None) -> Capabilities:
        """Wait until the engine is ready, loading it if necessary; return its capabilities.

        :param until: on the event loop's clock: the end of the wait, if it is earlier than ``wait_s`` from now.
        :raises QueueFull: if too many requests are waiting.
        :raises EngineUnavailable: if loading fails, with the reason, or takes longer than the wait.
        """
        if not self._client.ready:
            await self._wait(until)
        capabilities = self._client.capabilities
        assert capabilities is not None  # noqa: S101 - the engine has been ready
        return capabilities

    async def load(self) -> None:
        """Load the engine and wait until it is ready, without a limit; a failed engine is loaded again at once.

        :raises EngineUnavailable: if loading fails, with the reason.
        """
        if self._client.status().state is State.FAILED:
            self._client.load()
            await asyncio.sleep(POLL_S)  # the state changes when the attempt starts
        await self._until_ready()

    async def _wait(self, until: float | None) -> None:
        client = self._client
        if not self._wait_s or client.status().state is State.FAILED:
            client.ensure_loading()
            raise client.unavailable_error()
        if self.waiting >= self._max_waiting:
            raise QueueFull(
                f"engine {client.name!r} is {client.status().state.value}, and {self.waiting} requests wait for it, "
                "the limit (max_queue)",
                retry_after_s=LOADING_RETRY_S,
            )
        wait_until = asyncio.get_running_loop().time() + self._wait_s
        log.info("waiting for an engine", engine=client.name, state=client.status().state.value)
        self.waiting += 1
        try:
            async with asyncio.timeout_at(wait_until if until is None else min(until, wait_until)):
                await self._until_ready()
        except TimeoutError:
            raise client.unavailable_error() from None
        finally:
            self.waiting -= 1

    async def _until_ready(self) -> None:
        while True:
            self._client.ensure_loading()
            if self._client.ready:
                return
            if self._client.status().state is State.FAILED:
                raise self._client.unavailable_error()
            await asyncio.sleep(POLL_S)
