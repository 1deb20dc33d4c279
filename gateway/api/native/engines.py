"""``/v1/engines``: state, capabilities and loading of engines."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backends.base import CodecInfo
from gateway.api.common.deps import ServicesDep
from gateway.api.common.route import DialectRoute, raises
from gateway.engine.catalog import ConfiguredEngine, KnownFrom
from gateway.engine.client import State
from gateway.errors import EngineNotFound

router = APIRouter(tags=["operation"], route_class=DialectRoute)


class Queue(BaseModel):
    """Admission to the engine."""

    waiting: int = Field(description="queued requests, including those that wait for the engine to load")
    active: int = Field(description="admitted requests")
    limit: int = Field(description="longest queue; further requests get 429")


class LoadingProgress(BaseModel):
    """Loading progress; in bytes when the stage is a download."""

    stage: str
    done: int
    total: int | None


class EngineInfo(BaseModel):
    """One configured engine. Fields that depend on the model are null until its first load with this configuration."""

    name: str
    backend: str
    state: State = Field(description="unloaded, loading, ready, failed (retried automatically) or stopping")
    load: str = Field(description="eager or lazy")
    known_from: KnownFrom | None = Field(
        None,
        description="source of the fields that depend on the model: loaded, or last_load, maybe by an earlier process; "
        "requests are checked against the loaded model",
    )
    device: str = Field(description="as configured: auto, cpu, cuda:0 …")
    memory_bytes: int | None = Field(None, description="resident memory of the workers, without that of GPUs")
    model: str | None = None
    sample_rate: int | None = None
    languages: list[str] | None = None
    cloning: str | None = Field(
        None, description="none, optional, required, or approximate: a reference selects the nearest built-in voice"
    )
    streaming: str | None = Field(None, description="unit of streaming: sentence, frame or none")
    voices: list[str] | None = None
    max_text_chars: int | None = None
    max_reference_s: float | None = Field(None, description="seconds of speech in a reference clip that are used")
    dtype: str | None = Field(None, description="dtype of the loaded weights")
    options_schema: dict[str, Any] | None = None
    codec: CodecInfo | None = Field(None, description="the codec of /v1/vqgan")
    queue: Queue
    replicas: int
    restarts: int = Field(description="workers restarted after a failure")
    progress: LoadingProgress | None = Field(None, description="while loading")
    error: str | None = Field(None, description="why it is not ready")
    retry_in_s: float | None = Field(None, description="seconds until the next attempt, or until loading ends")


class EngineList(BaseModel):
    """All configured engines."""

    default: str
    engines: list[EngineInfo]


def _info(engine: ConfiguredEngine) -> EngineInfo:
    status = engine.client.status()
    info = EngineInfo(
        name=engine.name,
        backend=engine.settings.backend,
        state=status.state,
        load=engine.settings.load,
        device=engine.settings.device,
        memory_bytes=engine.client.memory_bytes(),
        queue=Queue(waiting=engine.waiting, active=engine.admission.active, limit=engine.settings.max_queue),
        replicas=engine.settings.replicas,
        restarts=status.restarts,
        error=status.error,
        retry_in_s=status.retry_in_s,
        known_from=engine.known_from,
    )
    if progress := status.progress:
        info.progress = LoadingProgress(stage=progress.stage, done=progress.done, total=progress.total)
    if can := engine.client.last_load:
        info.model, info.sample_rate, info.languages = can.model, can.sample_rate_hz, list(can.languages)
        info.cloning, info.streaming = can.cloning, can.streaming
        info.voices = [voice.name for voice in can.voices]
        info.max_text_chars, info.options_schema = can.max_text_chars, can.options_schema
        info.codec = can.codec
        info.max_reference_s, info.dtype = can.max_reference_s, can.dtype
    return info


@router.get("/v1/engines", summary="List engines")
async def list_engines(services: ServicesDep) -> EngineList:
    """State, capabilities, option schemas and queues of the configured engines."""
    return EngineList(default=services.engines.default, engines=[_info(engine) for engine in services.engines])


@router.get("/v1/engines/{name}", summary="Show an engine")
@raises(EngineNotFound)
async def show_engine(name: str, services: ServicesDep) -> EngineInfo:
    """State, capabilities, option schema and queue of one engine."""
    return _info(services.engines.get(name))


@router.post("/v1/engines/{name}/load", summary="Load an engine", status_code=202)
@raises(EngineNotFound)
async def load_engine(name: str, services: ServicesDep) -> EngineInfo:
    """Start loading and return at once; poll the engine's state. A failed engine is retried at once."""
    engine = services.engines.get(name)
    engine.client.load()
    return _info(engine)


@router.post("/v1/engines/{name}/unload", summary="Unload an engine")
@raises(EngineNotFound)
async def unload_engine(name: str, services: ServicesDep) -> EngineInfo:
    """Let running requests finish, then free the engine's memory; respond when that is done."""
    engine = services.engines.get(name)
    await engine.client.unload()
    return _info(engine)
