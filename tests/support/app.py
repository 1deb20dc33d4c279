"""The application in memory: real routes and services with fake engines, without processes and sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.app import create_app
from gateway.engine.client import EngineClient
from gateway.engine.fake import FakeEngine
from gateway.metrics import Metrics
from gateway.service.classic.models import ClientFactory
from gateway.settings import AliasSettings, EngineSettings, FishApi, Limits, Settings
from gateway.voices.fs import FileVoiceStore


@dataclass
class InMemory:
    app: FastAPI
    client: httpx.AsyncClient
    engine: FakeEngine
    metrics: Metrics

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def in_memory(
    folder: Path,
    engines: Sequence[EngineClient] = (),
    limits: dict[str, Any] | None = None,
    fish_api: dict[str, Any] | None = None,
    aliases: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    make_client: ClientFactory | None = None,
    **engine: Any,
) -> InMemory:
    """Build the application; the first engine is the default.

    :param settings: further blocks of the settings.
    :param engine: settings of every engine. Requests do not wait for an engine to load unless ``load_wait_s`` is set,
        because a fake engine loads only when the test says so.
    """
    engine.setdefault("load_wait_s", 0)
    engines = list(engines) or [FakeEngine()]
    whole = Settings(
        default_engine=engines[0].name,
        data_dir=folder,
        engines={client.name: EngineSettings(backend="fake", **engine) for client in engines},
        limits=Limits(**(limits or {})),
        fish_api=FishApi(**(fish_api or {})),
        aliases=AliasSettings(**(aliases or {})),
        **(settings or {}),
    )
    metrics = Metrics()
    app = create_app(whole, engines, FileVoiceStore(folder / "voices", max_voices=10), metrics, make_client)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    assert isinstance(engines[0], FakeEngine)
    return InMemory(app, client, engines[0], metrics)
