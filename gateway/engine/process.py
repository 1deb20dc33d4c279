"""Engine client for local worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import Any, cast

import structlog

from backends.base import Capabilities, EngineConfig, Job
from gateway.engine.client import EngineClient, EngineOutput, EngineStatus, SpeechOutput, State, Work
from gateway.engine.last_loads import LastLoads
from gateway.engine.supervisor import Backoff, Supervisor
from gateway.engine.worker_process import WorkerSpec
from gateway.settings import EngineSettings

log = structlog.get_logger(__name__)

# The engine's state is the first of these that one of its replicas is in.
_STATE_PREFERENCE = (State.READY, State.LOADING, State.STOPPING, State.FAILED, State.UNLOADED)


class ProcessEngine(EngineClient):
    """Replicas of one engine, one process each; a job goes to the ready replica with the fewest jobs.

    :param on_restart: called whenever a worker is restarted after a failure.
    :param hub: the configuration's ``hub`` block.
    :param last_loads: keeps the capabilities of each load.
    """

    def __init__(
        self,
        name: str,
        settings: EngineSettings,
        on_restart: Callable[[], None] = lambda: None,
        hub: Mapping[str, Any] | None = None,
        last_loads: LastLoads | None = None,
    ):
        self.name = name
        self._last_load = last_loads.read(name, settings) if last_loads else None
        on_ready = partial(last_loads.write, name, settings) if last_loads else lambda _: None
        self._idle_unload_s = settings.idle_unload_s
        spec = WorkerSpec(
            backend=settings.backend,
            config=EngineConfig(
                name=name,
                device=settings.device,
                dtype=settings.dtype,
                threads=settings.threads,
                model=settings.model,
                defaults=settings.defaults,
                hub=hub or {},
            ),
            python=settings.python,
            env=settings.env,
            load_timeout_s=settings.load_timeout_s,
            heartbeat_timeout_s=settings.heartbeat_timeout_s,
        )
        backoff = Backoff(settings.backoff_s, settings.backoff_max_s)
        self._replicas = [Supervisor(spec, backoff, on_restart, on_ready) for _ in range(settings.replicas)]
        self._used_at = 0.0  # of the last load or end of a job
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_unload: asyncio.Task[None] | None = None

    @property
    def capabilities(self) -> Capabilities | None:
        """See :class:`EngineClient`."""
        return next((replica.capabilities for replica in self._replicas if replica.capabilities), None)

    @property
    def last_load(self) -> Capabilities | None:
        """See :class:`EngineClient`."""
        return self.capabilities or self._last_load

    @property
    def ready(self) -> bool:
        """See :class:`EngineClient`."""
        return any(replica.ready for replica in self._replicas)

    def status(self) -> EngineStatus:
        """Return the best replica's state, with the jobs and restarts of all replicas."""
        each = [replica.status() for replica in self._replicas]
        best = min(each, key=lambda status: _STATE_PREFERENCE.index(status.state))
        return EngineStatus(
            state=best.state,
            capabilities=self.capabilities,
            progress=best.progress,
            active_jobs=sum(status.active_jobs for status in each),
            restarts=sum(status.restarts for status in each),
            error=next((status.error for status in each if status.error), None),
            retry_in_s=best.retry_in_s,
        )

    def memory_bytes(self) -> int | None:
        """See :class:`EngineClient`."""
        known = [size for replica in self._replicas if (size := replica.memory_bytes()) is not None]
        return sum(known) if known else None

    def submit(self, job: Job) -> AsyncGenerator[SpeechOutput, None]:
        """See :class:`EngineClient`."""
        return cast(AsyncGenerator[SpeechOutput, None], self._run(job))  # a speech job yields no codes

    def convert(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        """See :class:`EngineClient`."""
        return self._run(job)

    async def _run(self, job: Work) -> AsyncGenerator[EngineOutput, None]:
        ready = [replica for replica in self._replicas if replica.ready]
        if not ready:
            self.ensure_loading()
            raise self.unavailable_error()
        replica = min(ready, key=lambda replica: replica.active_jobs)
        try:
            with replica.lease() as worker, worker.run(job) as outputs:
                while (output := await outputs.get()) is not None:
                    if isinstance(output, Exception):
                        raise output
                    yield output
        finally:
            self._used_at = asyncio.get_running_loop().time()

    def load(self) -> None:
        """See :class:`EngineClient`."""
        for replica in self._replicas:
            replica.load()
        self._used_at = asyncio.get_running_loop().time()
        if self._idle_timer is None:
            self._watch_idle()

    async def unload(self) -> None:
        """See :class:`EngineClient`."""
        await asyncio.gather(*(replica.unload() for replica in self._replicas))

    async def close(self) -> None:
        """See :class:`EngineClient`."""
        await asyncio.gather(*(replica.close() for replica in self._replicas))

    def _watch_idle(self) -> None:
        """Unload the engine if it has been ready and unused for ``idle_unload_s``; else look again when that may be."""
        self._idle_timer = None
        status = self.status()
        if self._idle_unload_s is None or status.state is State.UNLOADED:
            return
        loop = asyncio.get_running_loop()
        idle_s = min(loop.time() - self._used_at, max(replica.ready_for_s for replica in self._replicas))
        if status.active_jobs:
            idle_s = 0.0
        if idle_s < self._idle_unload_s:
            self._idle_timer = loop.call_later(self._idle_unload_s - idle_s, self._watch_idle)
        else:
            log.info("unloading an idle engine", engine=self.name, idle_s=self._idle_unload_s)
            self._idle_unload = asyncio.create_task(self.unload())
