"""Process engines that run the tone engine, and helpers to load them and find their workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import psutil

from backends.base import Job
from gateway.engine.client import State
from gateway.engine.process import ProcessEngine
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
    """Worker processes of this process's engines; those of a shared gateway are its children, not ours."""
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "backends.worker" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
