"""Loading, unloading and closing of engines, with real workers that run the tone engine."""

from __future__ import annotations

import asyncio

import pytest
from support.tone_process import LONG, ready, speak, tone, until, workers

from gateway.engine.client import State
from gateway.engine.process import ProcessEngine
from gateway.engine.supervisor import Backoff
from gateway.errors import EngineUnavailable, SynthesisFailed
from gateway.settings import EngineSettings


async def test_load_timeout_restarts_with_every_progress_message() -> None:
    async with tone(model={"load_s": 3.0}, load_timeout_s=1.0) as engine:
        engine.load()
        await until(engine, State.LOADING)
        seen = set()
        async with asyncio.timeout(20):
            while engine.status().state is State.LOADING:
                if progress := engine.status().progress:
                    seen.add((progress.stage, progress.total))
                await asyncio.sleep(0.05)
        assert engine.status().state is State.READY
        assert seen == {("warming up", 10)}
    async with tone(model={"load_s": 30.0}, load_timeout_s=0.5) as engine:
        engine.load()
        await until(engine, State.FAILED)
        assert "no message from the worker" in (engine.status().error or "")


async def test_failed_load_reports_its_reason_and_is_retried() -> None:
    restarts: list[float] = []
    loop = asyncio.get_running_loop()
    async with tone(on_restart=lambda: restarts.append(loop.time()), model={"fail_load": True}) as engine:
        engine.load()
        await until(engine, State.FAILED)
        assert engine.status().error is not None
        assert "fail_load is set" in engine.status().error
        with pytest.raises(EngineUnavailable, match="fail_load is set") as caught:
            await speak(engine)
        assert caught.value.retry_after_s is not None
        async with asyncio.timeout(20):
            while len(restarts) < 3:
                await asyncio.sleep(0.02)


def test_backoff_doubles_up_to_its_maximum() -> None:
    backoff = Backoff(0.5, 60)
    assert [backoff.delay_s(n) for n in (1, 2, 3, 8, 1000)] == [0.5, 1.0, 2.0, 60, 60]


async def test_first_request_loads_a_lazy_engine() -> None:
    async with tone() as engine:
        with pytest.raises(EngineUnavailable) as caught:
            await speak(engine)
        assert caught.value.retry_after_s
        await until(engine, State.READY)


async def test_unload_finishes_running_jobs_and_refuses_new_ones() -> None:
    async with tone() as engine:
        await ready(engine)
        running = asyncio.create_task(speak(engine, "a", LONG, step_s=0.005))
        await asyncio.sleep(0.1)
        unloading = asyncio.create_task(engine.unload())
        await asyncio.sleep(0.01)
        assert engine.status().state is State.STOPPING
        with pytest.raises(EngineUnavailable):
            await speak(engine, "late")
        assert len(await running) == int(24000 * 0.05 * len(LONG))
        await unloading
        assert engine.status().state is State.UNLOADED
        assert not workers()
        assert engine.status().capabilities is not None, "capabilities stay known"


async def test_idle_engine_unloads_and_a_busy_one_does_not() -> None:
    async with tone(idle_unload_s=0.3) as engine:
        await ready(engine)
        await speak(engine, "busy", LONG, step_s=0.003)
        assert engine.status().state is State.READY
        await until(engine, State.UNLOADED)
        assert not workers()


async def test_loading_time_does_not_count_as_idle() -> None:
    async with tone(idle_unload_s=0.5, model={"load_s": 0.4}) as engine:
        for _ in range(2):
            await ready(engine)
            (replica,) = engine._replicas
            ready_at = asyncio.get_running_loop().time() - replica.ready_for_s
            await until(engine, State.UNLOADED)
            assert asyncio.get_running_loop().time() - ready_at > 0.5


async def test_requests_do_not_shorten_the_back_off() -> None:
    restarts: list[int] = []
    settings = EngineSettings(backend="tone", backoff_s=30, model={"fail_load": True})
    engine = ProcessEngine("tone", settings, lambda: restarts.append(1))
    try:
        engine.load()
        await until(engine, State.FAILED)
        for _ in range(20):
            engine.ensure_loading()
            error = engine.unavailable_error()
            assert error.retry_after_s is not None
            assert error.retry_after_s > 20
            await asyncio.sleep(0.02)
        assert engine.status().state is State.FAILED
        assert not restarts
        engine.load()  # an explicit load ends the back-off
        async with asyncio.timeout(10):
            while not restarts:
                await asyncio.sleep(0.01)
    finally:
        await engine.close()


@pytest.mark.parametrize("state", [State.LOADING, State.READY, State.FAILED])
async def test_close_stops_the_worker_in_every_state(state: State) -> None:
    model = {State.LOADING: {"load_s": 30.0}, State.READY: {}, State.FAILED: {"fail_load": True}}[state]
    async with tone(model=model) as engine:
        engine.load()
        await until(engine, state)
        engine.load()
        async with asyncio.timeout(5):
            await asyncio.gather(asyncio.create_task(engine.close()), asyncio.create_task(engine.close()))
        assert engine.status().state is State.UNLOADED
        assert not workers()
        engine.load()
        await asyncio.sleep(0.05)
        assert engine.status().state is State.UNLOADED, "a closed engine stays unloaded"
        assert not workers()


async def test_close_during_unload_does_not_wait_for_jobs() -> None:
    async with tone() as engine:
        await ready(engine)
        running = asyncio.create_task(speak(engine, "a", LONG, step_s=1.0))
        await asyncio.sleep(0.1)
        unloading = asyncio.create_task(engine.unload())
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            await engine.close()
            await unloading
        with pytest.raises(SynthesisFailed):
            await running


async def test_cancelled_unload_does_not_stop_other_unloads() -> None:
    async with tone() as engine:
        await ready(engine)
        running = asyncio.create_task(speak(engine, "a", LONG, step_s=0.005))
        await asyncio.sleep(0.1)
        cancelled = asyncio.create_task(engine.unload())
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.gather(engine.unload(), engine.unload())
        assert len(await running) == int(24000 * 0.05 * len(LONG))
        assert not workers()


async def test_load_during_unload_takes_effect_after_it() -> None:
    async with tone() as engine:
        await ready(engine)
        running = asyncio.create_task(speak(engine, "a", LONG, step_s=0.005))
        await asyncio.sleep(0.1)
        unloading = asyncio.create_task(engine.unload())
        await asyncio.sleep(0.01)
        engine.load()
        await running
        await unloading
        await until(engine, State.READY)
        assert len(workers()) == 1


async def test_idle_engine_unloads_after_a_restart() -> None:
    async with tone(idle_unload_s=2.0) as engine:
        await ready(engine)
        workers()[0].kill()
        await until(engine, State.FAILED)
        await until(engine, State.UNLOADED)
