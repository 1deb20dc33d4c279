"""Keeps one worker alive while its engine is wanted: spawn, watch, restart with back-off, stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from backends.base import Capabilities
from gateway.engine.client import EngineOutput, EngineStatus, LoadProgress, State, Work
from gateway.engine.worker_process import WorkerError, WorkerProcess, WorkerSpec
from gateway.errors import EngineUnavailable

log = structlog.get_logger(__name__)

HEALTHY_AFTER_S = 60.0  # ready for that long, a worker's next failure counts as its first again

LONGEST_ESTIMATE_S = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits before restarts: ``first_s``, doubled each time, at most ``max_s``."""

    first_s: float = 0.5
    max_s: float = 60.0

    def wait_s(self, failures: int) -> float:
        """The wait after that many failures in a row (1 or more)."""
        return min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 30))


Spawn = Callable[[WorkerSpec], Awaitable[WorkerProcess]]


class Supervisor:
    """One replica of an engine.

    :param spawn: starts a worker; replaced in tests.
    :param on_restart: called each time a worker is started again after a failure.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        backoff: Backoff,
        on_restart: Callable[[], None] = lambda: None,
        spawn: Spawn = WorkerProcess.start,
    ):
        self._spec = spec
        self._backoff = backoff
        self._on_restart = on_restart
        self._spawn = spawn
        self._log = log.bind(engine=spec.config.name)
        self._worker: WorkerProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._unwanted: asyncio.Future[None]
        self._stopping: asyncio.Task[None] | None = None
        self._load_again = False
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._state = State.UNLOADED
        self._capabilities: Capabilities | None = None
        self._progress: LoadProgress | None = None
        self._stage_began = (0.0, 0)
        self._error: str | None = None
        self._retry_at: float | None = None
        self._ready_at: float | None = None
        self._restarts = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._submitted = 0

    def status(self) -> EngineStatus:
        """A snapshot."""
        if self._retry_at is not None:
            retry_in_s: float | None = max(0.0, self._retry_at - asyncio.get_running_loop().time())
        else:
            retry_in_s = self._loading_left_s()
        return EngineStatus(
            state=self._state,
            capabilities=self._capabilities,
            progress=self._progress,
            active_jobs=self._submitted,
            restarts=self._restarts,
            error=self._error,
            retry_in_s=retry_in_s,
        )

    @property
    def capabilities(self) -> Capabilities | None:
        """Those of the loaded model, or of the last one that was loaded."""
        return self._capabilities

    @property
    def ready(self) -> bool:
        """Whether it takes jobs."""
        return self._state is State.READY

    @property
    def ready_for_s(self) -> float:
        """How long its worker has been taking jobs; 0 while none does."""
        return asyncio.get_running_loop().time() - self._ready_at if self.ready and self._ready_at is not None else 0.0

    @property
    def active_jobs(self) -> int:
        """Jobs under way."""
        return self._submitted

    def load(self) -> None:
        """See :meth:`gateway.engine.client.EngineClient.load`."""
        if self._stopping is not None:
            self._load_again = True
        elif self._keeper is None:
            self._state = State.LOADING
            self._unwanted = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep(self._unwanted))
        else:
            self._wake.set()

    async def submit(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        """See :meth:`gateway.engine.client.EngineClient.submit` and ``convert``."""
        if self._worker is None or self._state is not State.READY:
            raise EngineUnavailable(f"engine {self._spec.config.name!r} is {self._state.value}", retry_after_s=1.0)
        self._submitted += 1
        self._idle.clear()
        try:
            async with contextlib.aclosing(self._worker.submit(job)) as parts:
                async for part in parts:
                    yield part
        finally:
            self._submitted -= 1
            if not self._submitted:
                self._idle.set()

    async def unload(self) -> None:
        """Let running jobs finish, then stop the worker; returns when it is gone. A ``load`` meanwhile comes after."""
        if self._state is State.READY:
            self._state = State.STOPPING
        await self._stop()

    async def close(self) -> None:
        """Stop the worker now; also one that is only waiting for its jobs."""
        self._hurry.set()
        await self._stop()
        if self._keeper is not None:  # somebody had asked for it again
            self._hurry.set()
            await self._stop()

    async def _stop(self) -> None:
        """Join the one stop under way, or begin it. Whoever waits may be cancelled; the stop goes on."""
        if self._keeper is None:
            return
        if self._stopping is None:
            self._load_again = False
            self._stopping = asyncio.create_task(self._stop_once(self._keeper))
        await asyncio.shield(self._stopping)

    async def _stop_once(self, keeper: asyncio.Task[None]) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self._idle, self._hurry)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._unwanted.set_result(None)
        self._wake.set()
        await keeper
        self._keeper = self._stopping = None
        self._hurry.clear()
        self._state = State.UNLOADED
        self._error = self._retry_at = self._progress = None
        if self._load_again:
            self.load()

    async def _keep(self, unwanted: asyncio.Future[None]) -> None:
        """Start workers, one after the other, until unwanted. Never cancelled: a worker half stopped would live on."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._state, self._retry_at, self._ready_at = State.LOADING, None, None
            try:
                reason = await self._live(unwanted)
            except WorkerError as error:
                reason = str(error)
                self._log.error("engine failed to load", error=reason)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again like any failure to load
                reason = f"{type(error).__name__}: {error}"
                self._log.exception("engine failed to load unexpectedly")
            else:
                if not unwanted.done():
                    self._log.error("worker died", reason=reason)
            if unwanted.done():
                return
            failures = 1 if self._was_healthy() else failures + 1
            wait_s = self._backoff.wait_s(failures)
            self._state, self._error, self._retry_at = State.FAILED, reason, loop.time() + wait_s
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            if unwanted.done():
                return
            self._restarts += 1
            self._on_restart()

    def _was_healthy(self) -> bool:
        return self._ready_at is not None and asyncio.get_running_loop().time() - self._ready_at > HEALTHY_AFTER_S

    async def _live(self, unwanted: asyncio.Future[None]) -> str:
        """One worker's whole life.

        :returns: why it died after it was ready; empty when it was stopped.
        :raises WorkerError: when it never became ready.
        """
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        self._worker = worker = await self._spawn(self._spec)
        loading = asyncio.create_task(worker.load(self._note_progress))
        try:
            await _first(loading, unwanted)
            if not loading.done():
                return ""
            self._capabilities = loading.result()
            self._error, self._progress, self._ready_at = None, None, loop.time()
            if self._stopping is None:
                self._state = State.READY
            self._log.info("engine ready", model=self._capabilities.model, load_s=round(loop.time() - began_at, 2))
            await _first(worker.dead, unwanted)
            return worker.dead.result() if worker.dead.done() else ""
        finally:
            self._progress = None
            self._worker = None
            await worker.stop()
            await asyncio.gather(loading, return_exceptions=True)

    def _note_progress(self, progress: LoadProgress) -> None:
        if self._progress is None or progress.done < self._progress.done or progress.total != self._progress.total:
            self._stage_began = (asyncio.get_running_loop().time(), progress.done)
        self._progress = progress

    def _loading_left_s(self) -> float | None:
        """How long a download or another measured stage of loading should still take."""
        if self._progress is None or self._progress.total is None:
            return None
        began_at, began_done = self._stage_began
        if (gained := self._progress.done - began_done) <= 0:
            return None
        pace_s = (asyncio.get_running_loop().time() - began_at) / gained
        return min(LONGEST_ESTIMATE_S, pace_s * (self._progress.total - self._progress.done))


async def _first(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; cancels none."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
