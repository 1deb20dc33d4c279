"""The call stack of one request, from its route to the engine's step: few frames of the project, each with a reason."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import httpx
import pytest
from support.tone_process import ready, tone
from support.toy_engine import toy_plugin

from backends import wire
from backends.base import EngineConfig, Event, Job
from backends.registry import GROUP, Registry
from backends.tone.engine import ToneEngine
from backends.worker import loop
from backends.worker.channel import Channel
from gateway.app import create_app
from gateway.engine.worker_process import WorkerProcess
from gateway.metrics import Metrics
from gateway.service.speech import Speech
from gateway.settings import EngineSettings, Settings
from gateway.voices.fs import FileVoiceStore

ROOT = Path(__file__).parents[2]
GATEWAY_FRAMES = 11  # 7 from the route to the start of the speech, 4 from its task to the worker client
WORKER_FRAMES = 3


def project_frames(first: str) -> list[str]:
    """The functions of ``gateway`` and ``backends`` that are being called, from the one named ``first`` on."""
    stack = [
        f"{Path(frame.filename).relative_to(ROOT)} {frame.name}"
        for frame in traceback.extract_stack()
        if Path(frame.filename).is_relative_to(ROOT / "gateway")
        or Path(frame.filename).is_relative_to(ROOT / "backends")
    ]
    return stack[next(index for index, frame in enumerate(stack) if frame.endswith(f" {first}")) :]


async def test_frames_from_route_to_worker_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks: list[str] = []

    def record(target: type, name: str, first: str) -> None:
        original = getattr(target, name)

        def recording(self, *args):  # type: ignore[no-untyped-def]
            stacks.extend([*project_frames(first), f"{target.__name__}.{name}"])
            return original(self, *args)

        monkeypatch.setattr(target, name, recording)

    record(Speech, "start", "tts")
    record(WorkerProcess, "run", "_run_job")
    settings = Settings(
        default_engine="tone", data_dir=tmp_path, engines={"tone": EngineSettings(backend="tone", load_wait_s=0)}
    )
    async with tone() as engine:
        app = create_app(settings, [engine], FileVoiceStore(tmp_path, max_voices=1), Metrics())
        await ready(engine)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            response = await client.post("/tts", json={"text": "hello", "stream": True})
    assert response.status_code == 200
    assert 4 < len(stacks) <= GATEWAY_FRAMES, stacks


class OneJob(Channel):
    """A channel that brings one job, then a shutdown."""

    def __init__(self) -> None:
        self.batches = deque([[wire.Configure("tone", EngineConfig("tone"))], [Job("a", "hello", 1)]])

    def receive(self, wait_s: float) -> list[wire.ToWorker]:
        if self.batches:
            return list(self.batches.popleft())
        return [wire.Shutdown()] if wait_s else []

    def send(self, messages: Sequence[wire.Message]) -> None:
        pass

    def close(self) -> None:
        pass


def test_frames_from_worker_loop_to_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks: list[list[str]] = []

    class Recording(ToneEngine):
        def step(self) -> Sequence[Event]:
            stacks.append([*project_frames("run"), "step"])
            return super().step()

    monkeypatch.setattr("backends.tone.engine.Recording", toy_plugin(Recording), raising=False)
    registry = Registry([EntryPoint("tone", "backends.tone.engine:Recording", GROUP)])
    assert loop.serve(OneJob(), registry) == 0
    assert {len(stack) for stack in stacks} == {WORKER_FRAMES}, stacks
