"""Worker supervision: start a worker, restart it with back-off when it fails, stop it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from backends.base import Capabilities
from gateway.engine.client import EngineStatus, State
from gateway.engine.load_progress import LoadTracker
from gateway.engine.worker_process import WorkerError, WorkerProcess, WorkerSpec

log = structlog.get_logger(__name__)

HEALTHY_AFTER_S = 60.0  # a worker that was ready for this long resets the back-off


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off between restarts: ``first_s``, doubled each time, at most ``max_s``."""

    first_s: float = 0.5
    max_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Delay after this many consecutive failures (1 or more)."""
        return min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 30))


Spawn = Callable[[WorkerSpec], Awaitable[WorkerProcess]]


class Desired(Enum):
    """State that the callers of a supervisor want."""

    LOADED = auto()
    UNLOADED = auto()  # once the running jobs have finished
    CLOSED = auto()  # unloaded at once and for good


class Supervisor:
    """Supervisor of one replica of an engine: brings its worker to the desired state and keeps it there.

    Callers set ``_desired``; one task, which lives from a load to the next unload, starts and stops workers.

    :param on_restart: called whenever a worker is restarted after a failure.
    :param on_ready: called whenever a worker is ready, with its capabilities.
    :param spawn: starts a worker; replaced in tests.
    :ivar capabilities: those of the loaded model, or of the last one loaded.
    :ivar active_jobs: number of leases.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        backoff: Backoff,
        on_restart: Callable[[], None] = lambda: None,
        on_ready: Callable[[Capabilities], object] = lambda _: None,
        spawn: Spawn = WorkerProcess.start,
    ):
        self._spec = spec
        self._backoff = backoff
        self._on_restart = on_restart
        self._on_ready = on_ready
        self._spawn = spawn
        self._log = log.bind(engine=spec.config.name)
        self._desired = Desired.UNLOADED
        self._changed = asyncio.Event()  # wakes the task to look again at what it waits for
        self._task: asyncio.Task[None] | None = None
        self._state = State.UNLOADED
        self._worker: WorkerProcess | None = None
        self._loading = LoadTracker(self._log)
        self._ready_at = 0.0
        self._error: str | None = None
        self._retry_at: float | None = None  # end of the back-off
        self._restarts = 0
        self.capabilities: Capabilities | None = None
        self.active_jobs = 0

    def status(self) -> EngineStatus:
        """Return a snapshot."""
        progress = retry_in_s = None
        if self._state is State.LOADING:
            progress, retry_in_s = self._loading.progress, self._loading.remaining_s()
        elif self._retry_at is not None:
            retry_in_s = max(0.0, self._retry_at - asyncio.get_running_loop().time())
        return EngineStatus(
            state=self._state,
            capabilities=self.capabilities,
            progress=progress,
            active_jobs=self.active_jobs,
            restarts=self._restarts,
            error=self._error,
            retry_in_s=retry_in_s,
        )

    @property
    def ready(self) -> bool:
        """Whether the worker takes jobs."""
        return self._state is State.READY

    @property
    def ready_for_s(self) -> float:
        """Time since the worker became ready; 0 if it is not ready."""
        return asyncio.get_running_loop().time() - self._ready_at if self.ready else 0.0

    def memory_bytes(self) -> int | None:
        """Resident memory of the worker; None without a worker, or if unknown."""
        return self._worker.memory_bytes() if self._worker is not None else None

    @contextlib.contextmanager
    def lease(self) -> Iterator[WorkerProcess]:
        """Hold the worker of a ready replica for one job; an unload waits for it."""
        assert self._worker is not None  # noqa: S101 - a ready replica has one
        self.active_jobs += 1
        try:
            yield self._worker
        finally:
            self.active_jobs -= 1
            self._changed.set()

    def load(self) -> None:
        """See :meth:`gateway.engine.client.EngineClient.load`. During an unload it takes effect after that."""
        self._want(Desired.LOADED)
        if self._task is None and self._desired is Desired.LOADED:
            self._state = State.LOADING
            self._task = asyncio.create_task(self._keep_loaded())

    async def unload(self) -> None:
        """Let running jobs finish, stop the worker and wait for its exit."""
        await self._stop(Desired.UNLOADED)

    async def close(self) -> None:
        """Stop the worker without waiting for its jobs; a later ``load`` does nothing."""
        await self._stop(Desired.CLOSED)

    async def _stop(self, desired: Desired) -> None:
        self._want(desired)
        if self._task is not None:
            self._state = State.STOPPING
            await asyncio.shield(self._task)  # a cancelled caller does not cancel the stop

    def _want(self, desired: Desired) -> None:
        """Set the desired state, which ends a back-off; nothing follows ``CLOSED``."""
        if self._desired is not Desired.CLOSED:
            self._desired = desired
        self._retry_at = None
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition, which is checked at every change, holds."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    @property
    def _stopping(self) -> bool:
        return self._state is State.STOPPING

    def _drained(self) -> bool:
        return self._stopping and (not self.active_jobs or self._desired is Desired.CLOSED)

    async def _keep_loaded(self) -> None:
        """Run one worker after another until an unload; then begin anew if a load has been requested meanwhile.

        Never cancelled, because a worker whose stop is interrupted would keep running.
        """
        failures = 0
        while not self._stopping:
            try:
                await self._run_worker()
            except Exception as error:  # noqa: BLE001 - any error is retried like a failure to load
                failures = 1 if self.ready_for_s > HEALTHY_AFTER_S else failures + 1
                await self._back_off(error, self._backoff.delay_s(failures))
        self._state, self._error, self._task = State.UNLOADED, None, None
        if self._desired is Desired.LOADED:
            self.load()

    async def _run_worker(self) -> None:
        """Start a worker, load it, and keep it until it is drained.

        :raises WorkerError: if it cannot be loaded, or dies.
        """
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        self._loading = LoadTracker(self._log)
        self._worker = worker = await self._spawn(self._spec)
        loading = asyncio.create_task(worker.load(self._loading.update))
        try:
            for future in (loading, worker.dead):
                future.add_done_callback(lambda _: self._changed.set())
            await self._until(lambda: loading.done() or self._stopping)
            if self._stopping:
                return
            self.capabilities = capabilities = loading.result()
            self._on_ready(capabilities)
            self._state, self._error, self._ready_at = State.READY, None, loop.time()
            self._log.info("engine ready", model=capabilities.model, load_s=round(loop.time() - started_at, 2))
            await self._until(lambda: worker.dead.done() or self._drained())
            if worker.dead.done():
                raise WorkerError(worker.dead.result())
        finally:
            await worker.stop()
            await asyncio.gather(loading, return_exceptions=True)
            self._worker = None

    async def _back_off(self, error: Exception, delay_s: float) -> None:
        """Wait before a restart, unless the replica is stopping."""
        expected = isinstance(error, WorkerError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        self._log.error("worker failed", state=self._state.value, error=reason, exc_info=not expected)
        if self._stopping:
            return
        self._state, self._error = State.FAILED, reason
        self._retry_at = asyncio.get_running_loop().time() + delay_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._retry_at):
                await self._until(lambda: self._retry_at is None)
        if not self._stopping:
            self._state, self._retry_at = State.LOADING, None
            self._restarts += 1
            self._on_restart()
