"""Jobs and failures of worker processes, with real workers that run the tone engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.tone_process import LONG, ready, speak, tone, until, workers

from backends.base import DecodeJob, EncodeJob, Job
from backends.errors import InvalidJob
from gateway.engine.client import State
from gateway.errors import SynthesisFailed


async def test_loaded_engine_reports_its_capabilities_and_synthesizes() -> None:
    async with tone() as engine:
        assert engine.status().state is State.UNLOADED
        await ready(engine)
        status = engine.status()
        assert status.capabilities is not None
        assert status.capabilities.model == "tone"
        assert len(await speak(engine)) == int(24000 * 0.05 * 5)
        (worker,) = workers()
        assert engine.memory_bytes() == pytest.approx(worker.memory_info().rss, rel=0.1)
        await engine.unload()
        assert engine.memory_bytes() is None
    assert not workers()


async def test_concurrent_jobs_return_the_same_audio_as_one_alone() -> None:
    async with tone() as engine:
        await ready(engine)
        alone = await speak(engine, "alone", LONG)
        crowd = await asyncio.gather(*(speak(engine, f"job {i}", LONG) for i in range(8)))
        for audio in crowd:
            np.testing.assert_array_equal(audio, alone)


async def test_rejected_job_raises_the_engines_error() -> None:
    async with tone() as engine:
        await ready(engine)
        with pytest.raises(InvalidJob) as caught:
            await speak(engine, nope=1)
        assert caught.value.param == "options.nope"
        await speak(engine)


async def test_failing_job_does_not_affect_others() -> None:
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
async def test_dead_worker_fails_its_jobs_and_is_restarted(fault: str) -> None:
    restarts: list[int] = []
    async with tone(on_restart=lambda: restarts.append(1)) as engine:
        await ready(engine)
        bystander = asyncio.create_task(speak(engine, "bystander", LONG, step_s=0.02))
        await asyncio.sleep(0.05)
        with pytest.raises(SynthesisFailed, match="worker died"):
            await speak(engine, "bad", LONG, **{fault: 1})
        with pytest.raises(SynthesisFailed, match="worker died"):
            await bystander
        await until(engine, State.FAILED)
        await until(engine, State.READY)
        assert len(await speak(engine))
        assert engine.status().restarts == len(restarts) == 1
        assert len(workers()) == 1


async def test_killed_worker_is_restarted() -> None:
    async with tone() as engine:
        await ready(engine)
        (worker,) = workers()
        worker.send_signal(signal.SIGKILL)
        await until(engine, State.FAILED)
        assert "SIGKILL" in (engine.status().error or "")
        await until(engine, State.READY)


async def test_hanging_worker_is_killed_and_restarted() -> None:
    async with tone(heartbeat_timeout_s=1.5) as engine:
        await ready(engine)
        with pytest.raises(SynthesisFailed, match="no message from the worker"):
            await speak(engine, "a", hang_at=0)
        await until(engine, State.FAILED)
        await until(engine, State.READY)
        assert len(await speak(engine))


async def test_idle_worker_is_not_killed_as_hanging() -> None:
    async with tone(heartbeat_timeout_s=1.5) as engine:
        await ready(engine)
        await asyncio.sleep(2.5)
        assert engine.status().state is State.READY
        assert engine.status().restarts == 0


async def test_replicas_share_jobs_and_fail_independently() -> None:
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


async def test_missing_interpreter_is_named_in_the_error() -> None:
    async with tone(python="/no/such/python") as engine:
        engine.load()
        await until(engine, State.FAILED)
        assert engine.status().error == "cannot run /no/such/python: No such file or directory"


async def test_worker_runs_under_an_interpreter_without_the_gateways_dependencies(tmp_path: Path) -> None:
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


async def test_thread_limit_is_set_in_the_workers_environment() -> None:
    async with tone(threads=3) as engine:
        await ready(engine)
        assert workers()[0].environ()["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(("env", "spins"), [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
async def test_openmp_spin_count_can_be_overridden(env: dict[str, str], spins: str) -> None:
    async with tone(env=env) as engine:
        await ready(engine)
        assert workers()[0].environ()["GOMP_SPINCOUNT"] == spins


def test_worker_exits_when_the_gateway_is_killed(tmp_path: Path) -> None:
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


async def test_exit_by_an_unnamed_signal_is_reported() -> None:
    async with tone() as engine:
        await ready(engine)
        workers()[0].send_signal(40)
        await until(engine, State.FAILED)
        assert "signal 40" in (engine.status().error or "")


async def test_worker_setup_error_is_a_load_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr("gateway.engine.worker_process.SHARED_MEMORY", str(tmp_path / "missing too"))
    async with tone() as engine:
        engine.load()
        await until(engine, State.FAILED)
        assert "cannot create a folder for the worker's socket" in (engine.status().error or "")
    async with tone(env={"X": "a\0b"}) as engine:
        monkeypatch.setattr("tempfile.tempdir", None)
        engine.load()
        await until(engine, State.FAILED)
        assert "ValueError" in (engine.status().error or "")


async def test_worker_starts_without_a_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    async with tone() as engine:
        await ready(engine)
        assert len(await speak(engine))


async def test_long_temporary_folder_falls_back_to_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    async with tone() as engine:
        await ready(engine)
        assert not list(long.iterdir())


async def test_malformed_log_lines_of_a_worker_are_harmless() -> None:
    async with tone() as engine:
        await ready(engine)
        process = next(replica._worker for replica in engine._replicas)
        assert process is not None
        for line in ('{"level":"info","event":"x","self":1}', '{"level":"__class__","event":1}', "[1]", "{}", "\x00"):
            process._log_line(line)
        assert len(await speak(engine))


async def test_engine_without_a_codec_rejects_codec_jobs() -> None:
    async with tone() as engine:
        await ready(engine)
        with pytest.raises(InvalidJob, match="no codec"):
            await engine.encode(EncodeJob("a", np.zeros(9, np.float32), 8000))
        with pytest.raises(InvalidJob, match="no codec"):
            await engine.decode(DecodeJob("b", np.zeros((1, 1), np.int64)))
        assert len(await speak(engine))
