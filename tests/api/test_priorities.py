from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from support.app import InMemory, in_memory
from support.socket import Socket

from backends.base import LIMITS_LENGTH, AudioChunk, Job
from gateway.engine.admission import Admission
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.service.auth import key_hash

ANN, BOB = "vox_" + "a" * 43, "vox_" + "b" * 43
LIMITED = {"type": "object", "properties": {"max_tokens": {"type": "integer", LIMITS_LENGTH: True}}}


class Busy:
    """A gateway whose engine has one slot, and finishes one job for each release of its semaphore."""

    def __init__(self, folder: Path, limits: dict[str, Any] | None = None, **engine: Any):
        self._steps = asyncio.Semaphore(0)
        capabilities = replace(FAKE_CAPABILITIES, options_schema=LIMITED, max_text_chars=5000)
        client = FakeEngine(script=self._script, capabilities=capabilities)
        access = {"access": {"keys": {name: {"sha256": key_hash(key)} for name, key in (("ann", ANN), ("bob", BOB))}}}
        self.gateway: InMemory = in_memory(folder, [client], limits, settings=access, max_active=1, **engine)

    async def _script(self, job: Job) -> AsyncGenerator[AudioChunk, None]:
        await self._steps.acquire()
        yield AudioChunk(job.id, np.zeros(24000, np.float32))

    @property
    def admission(self) -> Admission:
        return self.gateway.app.state.services.engines.get("fake").admission

    def knows_speed(self, rate: float) -> None:
        """Let the engine make this many seconds of audio in a second, as far as the gateway knows."""
        self.admission._best_rate = self.admission._full_rate = rate

    def send(self, text: str, key: str = ANN, **fields: Any) -> asyncio.Task[httpx.Response]:
        """Send a request."""
        posting = self.gateway.client.post("/tts", json={"text": text, **fields}, headers={"X-API-Key": key})
        return asyncio.create_task(posting)

    async def post(self, text: str, key: str = ANN, **fields: Any) -> asyncio.Task[httpx.Response]:
        """Send a request, and wait until it runs, waits or is refused."""
        before = self.admission.active + self.admission.waiting
        task = self.send(text, key, **fields)
        while not task.done() and self.admission.active + self.admission.waiting == before:
            await asyncio.sleep(0)
        return task

    async def finish(self, *tasks: asyncio.Task[httpx.Response]) -> list[str]:
        """Let the requests succeed; return the texts in the order in which the engine got them."""
        for _ in tasks:
            self._steps.release()
        assert [(await task).status_code for task in tasks] == [200] * len(tasks)
        return [job.text for job in self.gateway.engine.jobs]


async def test_flood_of_one_key_delays_another_key_by_one_request(tmp_path: Path) -> None:
    busy = Busy(tmp_path)
    flood = [await busy.post(f"Ann {letter}") for letter in "abcde"]
    bob = await busy.post("Bob", BOB)
    assert (await busy.finish(*flood, bob))[:3] == ["Ann a", "Bob", "Ann b"]


async def test_key_with_a_full_queue_does_not_refuse_another_key(tmp_path: Path) -> None:
    busy = Busy(tmp_path, max_queue=2)
    first, second, third = [await busy.post(f"Ann {letter}") for letter in "abc"]
    refused = await busy.send("Ann d")
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "queue_full")
    bob = busy.send("Bob", BOB)
    assert (await third).status_code == 429
    assert await busy.finish(first, second, bob) == ["Ann a", "Bob", "Ann b"]


async def test_batch_is_spoken_after_interactive_requests_and_live_sentences(tmp_path: Path) -> None:
    busy = Busy(tmp_path)
    tasks = [await busy.post("now"), await busy.post("batch", priority="batch"), await busy.post("soon")]
    async with Socket(busy.gateway.app, headers={"X-API-Key": ANN}) as socket:
        socket.send("start", format="pcm")
        await socket.until("started")
        socket.send("text", text="Live sentence. ")
        socket.send("end")
        while busy.admission.waiting < 3:
            await asyncio.sleep(0)
        busy._steps.release()
        assert await busy.finish(*tasks) == ["now", "soon", "Live sentence.", "batch"]
        await socket.rest()


async def test_unknown_priority_is_refused(tmp_path: Path) -> None:
    response = await in_memory(tmp_path).client.post("/tts", json={"text": "x", "priority": "high"})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "priority"


async def test_predicted_wait_over_the_limit_is_429_with_the_time_until_it_fits(tmp_path: Path) -> None:
    busy = Busy(tmp_path, max_queue_s=20)
    busy.knows_speed(0.1)
    first = await busy.post("The quick brown fox jumps over the lazy dog.")
    refused = await busy.send("x")
    error = refused.json()["error"]
    assert (refused.status_code, error["type"]) == (429, "queue_full")
    assert error["message"] == "the predicted wait is 31 s: the limit is 20 s (max_queue_s)"
    assert refused.headers["retry-after"] == "12"
    batch = await busy.post("x", priority="batch")
    await busy.finish(first, batch)


async def test_text_too_long_for_its_deadline_is_504_without_reaching_the_engine(tmp_path: Path) -> None:
    busy = Busy(tmp_path, {"deadline_s": 60})
    busy.knows_speed(1.0)
    refused = await busy.send("word " * 1000)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["param"]) == (504, "deadline_exceeded", "text")
    assert "retry-after" not in refused.headers
    assert busy.gateway.engine.jobs == []
    assert busy.gateway.metric("voxgate_requests_total", engine="fake", outcome="deadline_exceeded") == 1
    limited = await busy.post("word " * 1000, options={"max_tokens": 5})
    assert len(await busy.finish(limited)) == 1


async def test_finished_requests_teach_the_length_and_the_speed(tmp_path: Path) -> None:
    busy = Busy(tmp_path)
    lengths = busy.gateway.app.state.services.engines.get("fake").lengths
    text = "The quick brown fox jumps over the lazy dog."
    for _ in range(20):
        await busy.finish(await busy.post(text, options={"max_tokens": 5}))
    limited = lengths.predict(busy.gateway.engine.jobs[-1])
    for _ in range(20):
        await busy.finish(await busy.post(text))
    assert limited > 2.5, "audio of limited length teaches nothing"
    assert 0.9 < lengths.predict(busy.gateway.engine.jobs[-1]) < 1.2, "the engine makes 1 s of audio"
    waiting = [await busy.post(text) for _ in range(2)]
    assert 0 < busy.admission.predicted_wait_s() < 60
    await busy.finish(*waiting)
