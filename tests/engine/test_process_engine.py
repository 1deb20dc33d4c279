"""The process client and its supervisor, with real workers that run the tone engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from backends.base import DecodeJob, EncodeJob, Job
from backends.errors import InvalidJob
from gateway.engine.client import State
from gateway.engine.process import ProcessEngine
from gateway.engine.supervisor import Backoff
from gateway.errors import EngineUnavailable, SynthesisFailed
from gateway.settings import EngineSettings

LONG = "words and words " * 15


@contextlib.asynccontextmanager
async def tone(on_restart: Any = lambda: None, **settings: Any) -> AsyncIterator[ProcessEngine]:
    engine = ProcessEngine("tone", EngineSettings(backend="tone", backoff_s=0.05, **settings), on_restart)
    try:
        yield engine
    finally:
        await engine.close()


async def until(engine: ProcessEngine, *states: State, timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while engine.status().state not in states:
            await asyncio.sleep(0.005)


async def ready(engine: ProcessEngine) -> None:
    engine.load()
    await until(engine, State.READY)


async def speak(engine: ProcessEngine, job_id: str = "a", text: str = "hello", **options: Any) -> np.ndarray:
    parts = [chunk.samples async for chunk in engine.submit(Job(job_id, text, seed=1, options=options))]
    return np.concatenate(parts)


def workers() -> list[psutil.Process]:
    """Workers of the engines in this process; those of a gateway that other tests share are its own children."""
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "backends.worker" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


async def test_it_speaks_and_tells_what_it_can() -> None:
    async with tone() as engine:
        assert engine.status().state is State.UNLOADED
        await ready(engine)
        status = engine.status()
        assert status.capabilities is not None
        assert status.capabilities.model == "tone"
        assert len(await speak(engine)) == int(24000 * 0.05 * 5)
    assert not workers()


async def test_jobs_run_side_by_side_and_keep_apart() -> None:
    async with tone() as engine:
        await ready(engine)
        alone = await speak(engine, "alone", LONG)
        crowd = await asyncio.gather(*(speak(engine, f"job {i}", LONG) for i in range(8)))
        for audio in crowd:
            np.testing.assert_array_equal(audio, alone)


async def test_a_rejected_job_raises_what_the_engine_said() -> None:
    async with tone() as engine:
        await ready(engine)
        with pytest.raises(InvalidJob) as caught:
            await speak(engine, nope=1)
        assert caught.value.param == "options.nope"
        await speak(engine)


async def test_a_failing_job_fails_alone() -> None:
    async with tone() as engine:
        await ready(engine)
        good = asyncio.create_task(speak(engine, "good", LONG, step_s=0.01))
        with pytest.raises(SynthesisFailed, match="fail_at"):
            await speak(engine, "bad", LONG, fail_at=2)
        assert len(await good)
        assert engine.status().restarts == 0


async def test_closing_the_generator_aborts_the_job_at_the_next_step() -> None:
    async with tone(max_active=1) as engine:
        await ready(engine)
        chunks = engine.submit(Job("a", LONG, seed=1, options={"step_s": 0.05}))
        await anext(chunks)
        await chunks.aclose()
        assert engine.status().active_jobs == 0
        # 240 characters are 120 steps of 50 ms: were it not aborted, the next job's steps would be as slow.
        async with asyncio.timeout(3):
            await speak(engine, "b", LONG)


@pytest.mark.parametrize("fault", ["crash_at", "fatal_at"])
async def test_a_dead_worker_fails_its_jobs_and_comes_back(fault: str) -> None:
    restarts: list[int] = []
    async with tone(on_restart=lambda: restarts.append(1)) as engine:
        await ready(engine)
        innocent = asyncio.create_task(speak(engine, "innocent", LONG, step_s=0.02))
        await asyncio.sleep(0.05)
        with pytest.raises(SynthesisFailed, match="worker died"):
            await speak(engine, "bad", LONG, **{fault: 1})
        with pytest.raises(SynthesisFailed, match="worker died"):
            await innocent
        await until(engine, State.FAILED)
        await until(engine, State.READY)
        assert len(await speak(engine))
        assert engine.status().restarts == len(restarts) == 1
        assert len(workers()) == 1


async def test_a_worker_killed_from_outside_comes_back() -> None:
    async with tone() as engine:
        await ready(engine)
        (worker,) = workers()
        worker.send_signal(signal.SIGKILL)
        await until(engine, State.FAILED)
        assert "SIGKILL" in (engine.status().error or "")
        await until(engine, State.READY)


async def test_a_worker_that_hangs_is_killed_and_comes_back() -> None:
    async with tone(heartbeat_timeout_s=1.5) as engine:
        await ready(engine)
        with pytest.raises(SynthesisFailed, match="no sign of life"):
            await speak(engine, "a", hang_at=0)
        await until(engine, State.FAILED)
        await until(engine, State.READY)
        assert len(await speak(engine))


async def test_an_idle_worker_is_not_mistaken_for_a_hanging_one() -> None:
    async with tone(heartbeat_timeout_s=1.5) as engine:
        await ready(engine)
        await asyncio.sleep(2.5)
        assert engine.status().state is State.READY
        assert engine.status().restarts == 0


async def test_silent_loading_is_bounded_but_progress_buys_time() -> None:
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
        assert "no sign of life" in (engine.status().error or "")


async def test_a_load_failure_says_why_and_is_tried_again_with_growing_waits() -> None:
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


def test_waits_double_up_to_a_bound() -> None:
    backoff = Backoff(0.5, 60)
    assert [backoff.wait_s(n) for n in (1, 2, 3, 8, 1000)] == [0.5, 1.0, 2.0, 60, 60]


async def test_the_first_request_loads_a_lazy_engine() -> None:
    async with tone() as engine:
        with pytest.raises(EngineUnavailable) as caught:
            await speak(engine)
        assert caught.value.retry_after_s
        await until(engine, State.READY)


async def test_unloading_lets_running_jobs_finish_and_refuses_new_ones() -> None:
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
        assert engine.status().capabilities is not None, "what it can do stays known"


async def test_an_idle_engine_unloads_itself_and_a_busy_one_does_not() -> None:
    async with tone(idle_unload_s=0.3) as engine:
        await ready(engine)
        await speak(engine, "busy", LONG, step_s=0.003)
        assert engine.status().state is State.READY
        await until(engine, State.UNLOADED)
        assert not workers()


async def test_the_time_an_engine_takes_to_load_is_not_counted_as_idle() -> None:
    async with tone(idle_unload_s=0.5, model={"load_s": 0.4}) as engine:
        for _ in range(2):
            await ready(engine)
            (replica,) = engine._replicas
            ready_at = asyncio.get_running_loop().time() - replica.ready_for_s
            await until(engine, State.UNLOADED)
            assert asyncio.get_running_loop().time() - ready_at > 0.5


async def test_replicas_share_the_jobs_and_one_death_leaves_the_others() -> None:
    async with tone(replicas=2) as engine:
        await ready(engine)
        async with asyncio.timeout(20):
            while len([r for r in engine._replicas if r.ready]) < 2:
                await asyncio.sleep(0.01)
        jobs = [asyncio.create_task(speak(engine, str(i), LONG, step_s=0.01)) for i in range(4)]
        await asyncio.sleep(0.1)
        assert [replica.active_jobs for replica in engine._replicas] == [2, 2]
        workers()[0].kill()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert sum(isinstance(result, SynthesisFailed) for result in results) == 2
        assert sum(isinstance(result, np.ndarray) for result in results) == 2


async def test_an_interpreter_that_does_not_exist_is_a_clear_failure() -> None:
    async with tone(python="/no/such/python") as engine:
        engine.load()
        await until(engine, State.FAILED)
        assert engine.status().error == "cannot run /no/such/python: No such file or directory"


async def test_a_worker_runs_under_another_interpreter_with_nothing_but_the_leaf(tmp_path: Path) -> None:
    """An environment with voxgate, numpy, msgspec and pyzmq only: no pydantic, no fastapi."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    here = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "msgspec", "zmq", "pyzmq.libs"):
        if (here / name).exists():
            (site / name).symlink_to(here / name)
    for info in here.glob("voxgate-*.dist-info"):
        (site / info.name).symlink_to(info)
    (site / "backends").symlink_to(Path(__file__).parents[2] / "backends")
    async with tone(python=str(tmp_path / "env/bin/python"), env={"SOME_VARIABLE": "1"}) as engine:
        await ready(engine)
        (worker,) = workers()
        assert worker.exe() != ""
        assert str(tmp_path) in worker.cmdline()[0]
        assert worker.environ()["SOME_VARIABLE"] == "1"
        assert len(await speak(engine))


async def test_threads_reach_the_worker_as_environment() -> None:
    async with tone(threads=3) as engine:
        await ready(engine)
        assert workers()[0].environ()["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(("env", "spins"), [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
async def test_waiting_threads_leave_the_cores_to_others_unless_told_otherwise(env: dict[str, str], spins: str) -> None:
    async with tone(env=env) as engine:
        await ready(engine)
        assert workers()[0].environ()["GOMP_SPINCOUNT"] == spins


def test_a_killed_gateway_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import asyncio, sys
        from gateway.engine.process import ProcessEngine
        from gateway.engine.client import State
        from gateway.settings import EngineSettings
        async def main():
            engine = ProcessEngine("tone", EngineSettings(backend="tone"))
            engine.load()
            while engine.status().state is not State.READY:
                await asyncio.sleep(0.01)
            print("ready", flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        assert any(line == "ready\n" for line in iter(gateway.stdout.readline, ""))
        (worker,) = psutil.Process(gateway.pid).children()
        os.kill(gateway.pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.wait(timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


async def test_requests_do_not_cut_the_back_off_of_a_failed_engine_short() -> None:
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
        engine.load()  # an operator may
        async with asyncio.timeout(10):
            while not restarts:
                await asyncio.sleep(0.01)
    finally:
        await engine.close()


@pytest.mark.parametrize("state", [State.LOADING, State.READY, State.FAILED])
async def test_close_ends_in_every_state_and_leaves_nothing(state: State) -> None:
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
        assert engine.status().state is State.UNLOADED, "it is for good"
        assert not workers()


async def test_closing_does_not_wait_for_what_unloading_waits_for() -> None:
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


async def test_unloading_twice_waits_twice() -> None:
    async with tone() as engine:
        await ready(engine)
        running = asyncio.create_task(speak(engine, "a", LONG, step_s=0.005))
        await asyncio.sleep(0.1)
        impatient = asyncio.create_task(engine.unload())
        await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.gather(engine.unload(), engine.unload())
        assert len(await running) == int(24000 * 0.05 * len(LONG))
        assert not workers()


async def test_a_load_while_stopping_comes_after_it() -> None:
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


async def test_a_signal_without_a_name_is_a_death_like_any_other() -> None:
    async with tone() as engine:
        await ready(engine)
        workers()[0].send_signal(40)
        await until(engine, State.FAILED)
        assert "signal 40" in (engine.status().error or "")


async def test_a_worker_that_cannot_be_set_up_is_a_failure_to_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    async with tone() as engine:
        engine.load()
        await until(engine, State.FAILED)
        assert "no folder for the worker's socket" in (engine.status().error or "")
    async with tone(env={"X": "a\0b"}) as engine:
        monkeypatch.setattr("tempfile.tempdir", None)
        engine.load()
        await until(engine, State.FAILED)
        assert "ValueError" in (engine.status().error or "")


async def test_a_long_temporary_folder_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    async with tone() as engine:
        await ready(engine)
        assert not list(long.iterdir())


async def test_an_idle_engine_that_crashed_and_recovered_still_unloads() -> None:
    async with tone(idle_unload_s=2.0) as engine:
        await ready(engine)
        workers()[0].kill()
        await until(engine, State.FAILED)
        await until(engine, State.UNLOADED)


async def test_strange_lines_on_a_workers_stderr_harm_nobody() -> None:
    async with tone() as engine:
        await ready(engine)
        process = next(replica._worker for replica in engine._replicas)
        assert process is not None
        for line in ('{"level":"info","event":"x","self":1}', '{"level":"__class__","event":1}', "[1]", "{}", "\x00"):
            process._log_line(line)
        assert len(await speak(engine))


async def test_an_engine_without_a_codec_refuses_its_jobs() -> None:
    async with tone() as engine:
        await ready(engine)
        with pytest.raises(InvalidJob, match="no codec"):
            await engine.encode(EncodeJob("a", np.zeros(9, np.float32), 8000))
        with pytest.raises(InvalidJob, match="no codec"):
            await engine.decode(DecodeJob("b", np.zeros((1, 1), np.int64)))
        assert len(await speak(engine))
