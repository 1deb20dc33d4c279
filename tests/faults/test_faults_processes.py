"""Processes that die, stop, run out of memory or end, under load whose every answer is compared."""

from __future__ import annotations

import asyncio
import resource
import signal
from pathlib import Path

import psutil
from support.faults_full import AGAIN, full
from support.load import worker_of


async def test_killed_worker_breaks_its_own_requests_only(load, report) -> None:
    async with load.running():
        for engine in ("tone", "lite") * AGAIN:
            await load.more_right()
            worker_of(load.gateway, engine).kill()
        await load.more_right()
    await load.each_right()
    load.check()
    assert set(load.counts.refused) <= {"500", "503"}
    report("kill -9 of a worker", "its requests get a typed error or a broken stream; it restarts", load.counts)


async def test_engine_unloaded_under_load_finishes_its_requests(load, report) -> None:
    async with load.running():
        for _ in range(AGAIN):
            await load.more_right()
            await asyncio.to_thread(load.gateway.client.post, "/v1/engines/tone/unload")
        await load.more_right()
    load.check()
    assert not load.counts.broken
    assert set(load.counts.refused) <= {"503"}
    report("an engine is unloaded", "running requests complete, the next ones load it", load.counts)


@full
async def test_stopped_worker_is_replaced(load, report) -> None:
    async with load.running():
        await load.more_right()
        worker = worker_of(load.gateway, "tone")
        worker.suspend()
        async with asyncio.timeout(30):
            while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.05)
        await load.more_right()
    await load.each_right()
    load.check()
    report("SIGSTOP of a worker", "killed after `heartbeat_timeout_s` and restarted", load.counts)


@full
async def test_worker_without_memory_is_replaced(load, report) -> None:
    async with load.running():
        await load.more_right()
        worker = worker_of(load.gateway, "tone")
        used = worker.memory_info().vms
        worker.rlimit(resource.RLIMIT_AS, (used, used))
        await asyncio.sleep(1)
        worker.kill()  # as the system's killer does
        await load.more_right()
    await load.each_right()
    load.check()
    report("no memory for a worker, then killed for it", "typed errors, then a restart", load.counts)


@full
async def test_stopped_gateway_goes_on(load, report) -> None:
    async with load.running():
        await load.more_right()
        gateway = psutil.Process(load.gateway.process.pid)
        gateway.suspend()
        await asyncio.sleep(9)  # longer than heartbeat_timeout_s
        gateway.resume()
        await load.more_right()
    await load.each_right()
    load.check()
    report("SIGSTOP of the gateway for 9 s", "it goes on", load.counts)


CLOCK = """
import os, time
_time, _file = time.time, os.environ["CLOCK_FILE"]
time.time = lambda: _time() + float(open(_file).read())
"""


@full
async def test_clock_that_jumps_by_years_changes_nothing(start, report, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    clock = tmp_path / "clock"
    clock.write_text("0")
    load = start({"PYTHONPATH": str(tmp_path), "CLOCK_FILE": str(clock)})
    async with load.running():
        for jump in (3e8, -3e8):
            await load.more_right()
            clock.write_text(str(jump))
        await load.more_right()
    load.check()
    assert not load.counts.refused
    assert not load.counts.broken
    report("`time.time()` jumps by 10 years, forth and back", "nothing changes", load.counts)


@full
async def test_killed_gateway_leaves_no_worker(start, report) -> None:
    load = start()
    async with load.running():
        await load.more_right()
        load.gateway.process.kill()
        load.gateway.process.wait()
    load.check()
    for folder in Path(load.gateway.log.parent, "tmp").iterdir():  # what a killed process cannot remove
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    report("kill -9 of the gateway", "streams break visibly; its workers end", load.counts)


async def test_sigterm_completes_refuses_or_breaks_visibly(load, report) -> None:
    async with load.running():
        await load.more_right()
        load.gateway.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            while load.gateway.process.poll() is None:
                await asyncio.sleep(0.02)
    load.check()
    assert load.gateway.process.returncode == 0
    assert set(load.counts.refused) <= {"503"}
    report("SIGTERM", "running requests complete, new ones get 503, exit status 0", load.counts)
