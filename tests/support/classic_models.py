"""Fixtures for the classic Fish-Speech API: a fake engine, and a factory for engines that requests create."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from support.app import InMemory, in_memory

from backends.base import AudioChunk, Job
from backends.fish.v0_2.options import FishV02Options
from backends.options import json_schema
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine, Script
from gateway.settings import EngineSettings

FISH = replace(
    FAKE_CAPABILITIES,
    model="fish-fake",
    sample_rate_hz=22050,
    languages=("zh", "en", "ja"),
    options_schema=json_schema(FishV02Options),
)

LM = "checkpoints/text2semantic-400m-v0.2-4k.pth"
CODEC = "checkpoints/vqgan-v1.pth"


class FakeEngineFactory:
    """Make fake engines and record them with their settings."""

    def __init__(self, kind: type[FakeEngine] = FakeEngine, **engine: Any):
        self.kind = kind
        self.engine = {"loads_to": State.READY, **engine}
        self.engines: list[FakeEngine] = []
        self.settings: list[EngineSettings] = []

    def __call__(self, name: str, settings: EngineSettings, label: str) -> FakeEngine:
        assert label == "fish:*"
        engine = self.kind(name, capabilities=FISH, state=State.UNLOADED, **self.engine)
        self.engines.append(engine)
        self.settings.append(settings)
        return engine


def fish_gateway(
    folder: Path,
    base: FakeEngine | None = None,
    factory: FakeEngineFactory | None = None,
    fish_api: dict[str, Any] | None = None,
    **settings: Any,
) -> InMemory:
    """A gateway whose base engine is ``base``."""
    base = base or FakeEngine("fish", capabilities=FISH)
    fish_api = {"engine": base.name, **(fish_api or {})}
    settings.setdefault("load_wait_s", 60)
    return in_memory(folder, [base], fish_api=fish_api, make_client=factory or FakeEngineFactory(), **settings)


def webui_load(**changes: Any) -> dict[str, Any]:
    """The request of the load button of the v0.2.0 WebUI with its default values."""
    llama = {
        "config_name": "text2semantic_finetune",
        "checkpoint_path": LM,
        "precision": "float16",
        "tokenizer": "fishaudio/speech-lm-v1",
        "compile": True,
    }
    vqgan = {"config_name": "vqgan_pretrain", "checkpoint_path": CODEC}
    return {"device": "cuda", "llama": llama, "vqgan": vqgan, **changes}


def webui_invoke(**changes: Any) -> dict[str, Any]:
    """The request of the synthesize button of the v0.2.0 WebUI."""
    body = {
        "text": "测试一下",
        "prompt_text": None,
        "prompt_tokens": None,
        "max_new_tokens": 0,
        "top_k": None,
        "top_p": 0.5,
        "repetition_penalty": 1.5,
        "temperature": 0.7,
        "order": "zh,jp,en",
        "use_g2p": False,
        "seed": None,
        "speaker": None,
    }
    return {**body, **changes}


def error_of(response: httpx.Response, status: int) -> str:
    """The message of an error in the classic envelope."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"statusCode", "message", "error"}
    assert body["statusCode"] == status
    assert body["error"]
    assert isinstance(body["message"], str)
    return body["message"]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def pausing(gate: asyncio.Event) -> Script:
    """A script that speaks once the gate is open."""

    async def script(job: Job) -> AsyncGenerator[AudioChunk, None]:
        await gate.wait()
        yield AudioChunk(job.id, np.zeros(100, np.float32))

    return script
