"""Decisions of a supervisor, with workers that load and die when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backends.base import Capabilities, EngineConfig
from gateway.engine.client import LoadProgress, State
from gateway.engine.fake import FAKE_CAPABILITIES
from gateway.engine.load_progress import LoadTracker
from gateway.engine.supervisor import Backoff, Supervisor, log
from gateway.engine.worker_process import WorkerSpec


class FakeWorker:
    """A worker that is loaded when ``loaded`` gets a result, and dies when ``dead`` gets one."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[Capabilities] = loop.create_future()
        self.dead: asyncio.Future[str] = loop.create_future()
        self.stopped = False

    async def load(self, on_progress: Callable[[LoadProgress], None]) -> Capabilities:
        on_progress(LoadProgress("weights", 0, 10))
        await asyncio.wait({self.loaded, self.dead}, return_when=asyncio.FIRST_COMPLETED)
        return self.loaded.result()

    async def stop(self) -> None:
        await asyncio.sleep(0)
        self.stopped = True
        if not self.dead.done():
            self.dead.set_result("stopped")
        if not self.loaded.done():
            self.loaded.cancel()


class Replica(Supervisor):
    """A supervisor of fake workers. :ivar workers: all of them, the last one last."""

    def __init__(self, backoff: Backoff = Backoff(0.001, 0.001)) -> None:  # noqa: B008 - immutable
        super().__init__(WorkerSpec("tone", EngineConfig("fake")), backoff, spawn=self._make)  # type: ignore[arg-type]
        self.workers: list[FakeWorker] = []

    async def _make(self, spec: WorkerSpec) -> FakeWorker:
        self.workers.append(FakeWorker())
        await asyncio.sleep(0)
        return self.workers[-1]

    async def until(self, state: State) -> None:
        async with asyncio.timeout(5):
            while self.status().state is not state:
                await asyncio.sleep(0)

    async def started(self) -> FakeWorker:
        """Wait for a worker that is loading."""
        async with asyncio.timeout(5):
            while not self.workers or self.workers[-1].loaded.done():
                await asyncio.sleep(0)
        assert self.status().state is State.LOADING
        return self.workers[-1]

    async def loaded(self) -> FakeWorker:
        self.load()
        worker = await self.started()
        worker.loaded.set_result(FAKE_CAPABILITIES)
        await self.until(State.READY)
        return worker


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_last_of_several_requests_in_one_turn_wins() -> None:
    replica = Replica()
    replica.load()
    first = asyncio.create_task(replica.unload())
    await asyncio.sleep(0)
    replica.load()
    await asyncio.gather(first, replica.unload())
    assert replica.status().state is State.UNLOADED
    assert all(worker.stopped for worker in replica.workers)


async def test_load_during_an_unload_starts_a_new_worker() -> None:
    replica = Replica()
    first = await replica.loaded()
    unload = asyncio.create_task(replica.unload())
    await asyncio.sleep(0)
    replica.load()
    await unload
    assert first.stopped
    assert replica.status().state is State.LOADING
    assert await replica.loaded() is not first
    await replica.close()


@pytest.mark.parametrize("turns", range(8))
async def test_unload_at_any_turn_of_a_load_stops_its_worker(turns: int) -> None:
    replica = Replica()
    replica.load()
    for _ in range(turns):
        await asyncio.sleep(0)
    await replica.unload()
    assert replica.status().state is State.UNLOADED
    assert all(worker.stopped for worker in replica.workers)


async def test_unload_waits_for_leases_and_close_does_not() -> None:
    replica = Replica()
    worker = await replica.loaded()
    with replica.lease():
        unload = asyncio.create_task(replica.unload())
        await settle()
        assert replica.status().state is State.STOPPING
        assert not worker.stopped
    await unload
    worker = await replica.loaded()
    with replica.lease():
        unload = asyncio.create_task(replica.unload())
        await asyncio.sleep(0)
        replica.load()
        await replica.close()
        await unload
        assert worker.stopped
        await replica.unload()
        replica.load()
        assert replica.status().state is State.UNLOADED, "a closed replica stays unloaded"


async def test_worker_that_dies_while_it_is_drained_is_not_restarted() -> None:
    replica = Replica()
    worker = await replica.loaded()
    with replica.lease():  # of a client that reads slowly
        unload = asyncio.create_task(replica.unload())
        await settle()
        worker.dead.set_result("crash")
        await unload
    assert len(replica.workers) == 1
    assert replica.status().restarts == 0
    assert replica.status().error is None


async def test_lease_of_a_dead_worker_does_not_delay_an_unload_during_the_restart() -> None:
    replica = Replica()
    worker = await replica.loaded()
    with replica.lease():
        worker.dead.set_result("crash")
        await replica.started()
        await replica.unload()
    assert replica.status().state is State.UNLOADED


async def test_back_off_is_reset_by_a_healthy_worker_only(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[int] = []
    replica = Replica()
    monkeypatch.setattr(Backoff, "delay_s", lambda _, count: failures.append(count) or 0.0)
    for healthy_after_s in (60.0, 60.0, 60.0, 0.0):
        monkeypatch.setattr("gateway.engine.supervisor.HEALTHY_AFTER_S", healthy_after_s)
        (await replica.loaded()).dead.set_result("crash")
        await replica.started()
    (await replica.started()).loaded.set_exception(OSError("no weights"))
    await replica.started()
    assert failures == [1, 2, 3, 1, 2]
    assert replica.status().restarts == 5
    assert replica.status().error == "OSError: no weights"
    await replica.close()


async def test_load_ends_a_back_off_and_the_end_of_a_lease_does_not() -> None:
    replica = Replica(Backoff(1000, 1000))
    worker = await replica.loaded()
    with replica.lease():
        worker.dead.set_result("crash")
        await replica.until(State.FAILED)
    await settle()
    status = replica.status()
    assert status.state is State.FAILED
    assert status.retry_in_s is not None
    assert 900 < status.retry_in_s <= 1000
    await replica.loaded()
    await replica.close()


async def test_progress_is_extrapolated_within_a_stage_only(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    tracker = LoadTracker(log)
    assert tracker.remaining_s() is None
    tracker.update(LoadProgress("download", 50, 100))
    assert tracker.remaining_s() is None, "nothing has been gained yet"
    now = 2.0
    tracker.update(LoadProgress("download", 60, 100))
    assert tracker.remaining_s() == pytest.approx(8.0)
    tracker.update(LoadProgress("weights", 10, 20))
    assert tracker.remaining_s() is None
    tracker.update(LoadProgress("weights", 11, None))
    assert tracker.remaining_s() is None
