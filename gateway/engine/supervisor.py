"""Worker supervision: start a worker, restart it with back-off when it fails, stop it."""

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

HEALTHY_AFTER_S = 60.0  # a worker that was ready for this long resets the back-off
MAX_ESTIMATE_S = 600.0
PROGRESS_LOG_S = 10.0  # between log lines of one loading stage


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off between restarts: ``first_s``, doubled each time, at most ``max_s``."""

    first_s: float = 0.5
    max_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Delay after this many consecutive failures (1 or more)."""
        return min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 30))


Spawn = Callable[[WorkerSpec], Awaitable[WorkerProcess]]


class Supervisor:
    """Supervisor of one replica of an engine.

    :param on_restart: called whenever a worker is restarted after a failure.
    :param on_ready: called whenever a worker is ready, with its capabilities.
    :param spawn: starts a worker; replaced in tests.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        backoff: Backoff,
        on_restart: Callable[[], None] = lambda: None,
        on_ready: Callable[[Capabilities], object] | None = None,
        spawn: Spawn = WorkerProcess.start,
    ):
        self._spec = spec
        self._backoff = backoff
        self._on_restart = on_restart
        self._on_ready = on_ready
        self._spawn = spawn
        self._log = log.bind(engine=spec.config.name)
        self._worker: WorkerProcess | None = None
        self._run_task: asyncio.Task[None] | None = None
        self._stop_requested: asyncio.Future[None]
        self._stop_task: asyncio.Task[None] | None = None
        self._load_after_stop = False
        self._end_backoff = asyncio.Event()
        self._skip_drain = asyncio.Event()
        self._state = State.UNLOADED
        self._capabilities: Capabilities | None = None
        self._progress: LoadProgress | None = None
        self._stage_start = (0.0, 0)  # time, and LoadProgress.done
        self._next_progress_log_at = 0.0
        self._error: str | None = None
        self._retry_at: float | None = None
        self._ready_at: float | None = None
        self._restarts = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._active_jobs = 0

    def status(self) -> EngineStatus:
        """Return a snapshot."""
        if self._retry_at is not None:
            retry_in_s: float | None = max(0.0, self._retry_at - asyncio.get_running_loop().time())
        else:
            retry_in_s = self._remaining_load_s()
        return EngineStatus(
            state=self._state,
            capabilities=self._capabilities,
            progress=self._progress,
            active_jobs=self._active_jobs,
            restarts=self._restarts,
            error=self._error,
            retry_in_s=retry_in_s,
        )

    @property
    def capabilities(self) -> Capabilities | None:
        """Capabilities of the loaded model, or of the last one loaded."""
        return self._capabilities

    @property
    def ready(self) -> bool:
        """Whether the worker takes jobs."""
        return self._state is State.READY

    @property
    def ready_for_s(self) -> float:
        """Time since the worker became ready; 0 if it is not ready."""
        return asyncio.get_running_loop().time() - self._ready_at if self.ready and self._ready_at is not None else 0.0

    @property
    def active_jobs(self) -> int:
        """Number of running jobs."""
        return self._active_jobs

    def memory_bytes(self) -> int | None:
        """Resident memory of the worker; None without a worker, or if unknown."""
        return self._worker.memory_bytes() if self._worker is not None else None

    def load(self) -> None:
        """See :meth:`gateway.engine.client.EngineClient.load`."""
        if self._stop_task is not None:
            self._load_after_stop = True
        elif self._run_task is None:
            self._state = State.LOADING
            self._stop_requested = asyncio.get_running_loop().create_future()
            self._run_task = asyncio.create_task(self._run(self._stop_requested))
        else:
            self._end_backoff.set()

    async def submit(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        """See :meth:`gateway.engine.client.EngineClient.submit` and ``convert``."""
        if self._worker is None or self._state is not State.READY:
            state = "restarting" if self._state is State.READY else self._state.value
            raise EngineUnavailable(f"engine {self._spec.config.name!r} is {state}", retry_after_s=1.0)
        self._active_jobs += 1
        self._idle.clear()
        try:
            async with contextlib.aclosing(self._worker.submit(job)) as parts:
                async for part in parts:
                    yield part
        finally:
            self._active_jobs -= 1
            if not self._active_jobs:
                self._idle.set()

    async def unload(self) -> None:
        """Let running jobs finish, stop the worker and wait for its exit. A ``load`` meanwhile takes effect then."""
        if self._state is State.READY:
            self._state = State.STOPPING
        await self._stop()

    async def close(self) -> None:
        """Stop the worker without waiting for its jobs."""
        self._skip_drain.set()
        await self._stop()
        if self._run_task is not None:  # a load had been requested during the stop
            self._skip_drain.set()
            await self._stop()

    async def _stop(self) -> None:
        """Start a stop, or join the one in progress. Cancelling a caller does not cancel the stop."""
        if self._run_task is None:
            return
        if self._stop_task is None:
            self._load_after_stop = False
            self._stop_task = asyncio.create_task(self._stop_once(self._run_task))
        await asyncio.shield(self._stop_task)

    async def _stop_once(self, run_task: asyncio.Task[None]) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self._idle, self._skip_drain)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._stop_requested.set_result(None)
        self._end_backoff.set()
        await run_task
        self._run_task = self._stop_task = None
        self._skip_drain.clear()
        self._state = State.UNLOADED
        self._error = self._retry_at = self._progress = None
        if self._load_after_stop:
            self.load()

    async def _run(self, stop_requested: asyncio.Future[None]) -> None:
        """Run one worker after another until a stop is requested.

        Never cancelled, because a worker whose stop is interrupted would keep running.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._state, self._retry_at, self._ready_at = State.LOADING, None, None
            try:
                reason = await self._run_worker(stop_requested)
            except WorkerError as error:
                reason = str(error)
                self._log.error("engine failed to load", error=reason)
            except Exception as error:  # noqa: BLE001 - any error is retried like a failure to load
                reason = f"{type(error).__name__}: {error}"
                self._log.exception("engine failed to load unexpectedly")
            else:
                if not stop_requested.done():
                    self._log.error("worker died", reason=reason)
            if stop_requested.done():
                return
            failures = 1 if self._was_healthy() else failures + 1
            delay_s = self._backoff.delay_s(failures)
            self._state, self._error, self._retry_at = State.FAILED, reason, loop.time() + delay_s
            self._end_backoff.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._end_backoff.wait()
            if stop_requested.done():
                return
            self._restarts += 1
            self._on_restart()

    def _was_healthy(self) -> bool:
        return self._ready_at is not None and asyncio.get_running_loop().time() - self._ready_at > HEALTHY_AFTER_S

    async def _run_worker(self, stop_requested: asyncio.Future[None]) -> str:
        """Start one worker, load it, and wait for its exit or a stop.

        :returns: the reason of its exit; empty if it was stopped.
        :raises WorkerError: if it never became ready.
        """
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        self._worker = worker = await self._spawn(self._spec)
        loading = asyncio.create_task(worker.load(self._set_progress))
        try:
            await _wait_first(loading, stop_requested)
            if not loading.done():
                return ""
            self._capabilities = loading.result()
            self._error, self._progress, self._ready_at = None, None, loop.time()
            if self._stop_task is None:
                self._state = State.READY
            self._log.info("engine ready", model=self._capabilities.model, load_s=round(loop.time() - started_at, 2))
            if self._on_ready is not None:
                self._on_ready(self._capabilities)
            await _wait_first(worker.dead, stop_requested)
            return worker.dead.result() if worker.dead.done() else ""
        finally:
            self._progress = None
            self._worker = None
            await worker.stop()
            await asyncio.gather(loading, return_exceptions=True)

    def _set_progress(self, progress: LoadProgress) -> None:
        now = asyncio.get_running_loop().time()
        if self._progress is None or progress.done < self._progress.done or progress.total != self._progress.total:
            self._stage_start = (now, progress.done)
        if self._progress is None or progress.stage != self._progress.stage or now >= self._next_progress_log_at:
            self._next_progress_log_at = now + PROGRESS_LOG_S
            self._log.info("engine loading", stage=progress.stage, done=progress.done, total=progress.total)
        self._progress = progress

    def _remaining_load_s(self) -> float | None:
        """Estimated rest of a download or another loading stage with a known total."""
        if self._progress is None or self._progress.total is None:
            return None
        started_at, done_at_start = self._stage_start
        if (gained := self._progress.done - done_at_start) <= 0:
            return None
        unit_s = (asyncio.get_running_loop().time() - started_at) / gained
        return min(MAX_ESTIMATE_S, unit_s * (self._progress.total - self._progress.done))


async def _wait_first(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of the futures is done; cancel none."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
