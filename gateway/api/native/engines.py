"""Operation: engines, health, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from backends.base import CodecInfo
from gateway import __version__
from gateway.api.common.deps import Services, ServicesDep
from gateway.engine.catalog import ConfiguredEngine
from gateway.engine.client import State

router = APIRouter(tags=["operation"])


class Queue(BaseModel):
    """Requests at the engine's door."""

    waiting: int = Field(description="wait for a place")
    active: int = Field(description="are in the engine")
    limit: int = Field(description="may wait; one more gets 429")


class LoadingProgress(BaseModel):
    """How far loading is; bytes when the stage is a download."""

    stage: str
    done: int
    total: int | None


class EngineInfo(BaseModel):
    """One configured engine. What depends on the model is null until it has been loaded once."""

    name: str
    backend: str
    state: State = Field(description="unloaded, loading, ready, failed (tried again by itself) or stopping")
    load: str = Field(description="eager or lazy")
    model: str | None = None
    sample_rate: int | None = None
    languages: list[str] | None = None
    cloning: str | None = Field(None, description="none, optional or required")
    streaming: str | None = Field(None, description="what becomes audible first: sentence, frame or none")
    voices: list[str] | None = None
    max_text_chars: int | None = None
    options_schema: dict[str, Any] | None = None
    codec: CodecInfo | None = Field(None, description="what /v1/vqgan converts with")
    queue: Queue
    replicas: int
    restarts: int = Field(description="workers started again after a failure")
    progress: LoadingProgress | None = Field(None, description="while loading")
    error: str | None = Field(None, description="why it is not ready")
    retry_in_s: float | None = Field(None, description="when it is tried again, or loading should be done")


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
        queue=Queue(waiting=engine.admission.waiting, active=engine.admission.active, limit=engine.settings.max_queue),
        replicas=engine.settings.replicas,
        restarts=status.restarts,
        error=status.error,
        retry_in_s=status.retry_in_s,
    )
    if progress := status.progress:
        info.progress = LoadingProgress(stage=progress.stage, done=progress.done, total=progress.total)
    if can := status.capabilities:
        info.model, info.sample_rate, info.languages = can.model, can.sample_rate_hz, list(can.languages)
        info.cloning, info.streaming = can.cloning, can.streaming
        info.voices = [voice.name for voice in can.voices]
        info.max_text_chars, info.options_schema = can.max_text_chars, can.options_schema
        info.codec = can.codec
    return info


@router.get("/v1/engines", summary="List engines")
async def list_engines(services: ServicesDep) -> EngineList:
    """State, capabilities, option schemas and queues of the configured engines."""
    return EngineList(default=services.engines.default, engines=[_info(engine) for engine in services.engines])


@router.get("/v1/engines/{name}", summary="One engine")
async def show_engine(name: str, services: ServicesDep) -> EngineInfo:
    """The same for one engine."""
    return _info(services.engines.get(name))


@router.post("/v1/engines/{name}/load", summary="Load an engine", status_code=202)
async def load_engine(name: str, services: ServicesDep) -> EngineInfo:
    """Begin loading and answer at once; poll the engine's state. A failed engine is tried again at once."""
    engine = services.engines.get(name)
    engine.client.load()
    return _info(engine)


@router.post("/v1/engines/{name}/unload", summary="Unload an engine")
async def unload_engine(name: str, services: ServicesDep) -> EngineInfo:
    """Let its running requests finish, then free its memory; answers when that is done."""
    engine = services.engines.get(name)
    await engine.client.unload()
    return _info(engine)


@router.get("/health/live", summary="Is the process alive?")
async def live() -> dict[str, str]:
    """200 as long as the gateway answers at all."""
    return {"status": "ok", "service": "voxgate", "version": __version__}


@router.get("/health/ready", summary="Can it serve?", responses={503: {"description": "An engine is not ready."}})
async def ready(services: ServicesDep) -> Response:
    """200 when the default engine and every eager one take requests (a lazy default may still be unloaded), until the
    gateway is to end.
    """
    states = {engine.name: engine.client.status().state.value for engine in services.engines}
    status = "shutting down" if services.live.draining.is_set() else "ok" if services.engines.ready else "not ready"
    return JSONResponse({"status": status, "engines": states}, 200 if status == "ok" else 503)


@router.head("/health/live", include_in_schema=False)
async def live_head() -> Response:
    """The same without a body, as some load balancers ask."""
    return Response()


@router.head("/health/ready", include_in_schema=False)
async def ready_head(services: ServicesDep) -> Response:
    """The same without a body."""
    return Response(status_code=(await ready(services)).status_code)


def _show_gauges(services: Services) -> None:
    metrics = services.metrics
    for gauge in (metrics.queue_depth, metrics.active_jobs, metrics.engine_ready):
        gauge.clear()  # of engines that requests had loaded and that are gone
    by_label: dict[str, list[ConfiguredEngine]] = {}
    for engine in services.engines:
        by_label.setdefault(engine.label, []).append(engine)
    for label, engines in by_label.items():
        metrics.queue_depth.labels(label).set(sum(engine.admission.waiting for engine in engines))
        metrics.active_jobs.labels(label).set(sum(engine.admission.active for engine in engines))
        is_ready = all(engine.client.status().state is State.READY for engine in engines)
        metrics.engine_ready.labels(label).set(is_ready)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(services: ServicesDep) -> Response:
    """Counters, gauges and histograms in the Prometheus text format."""
    _show_gauges(services)
    return Response(services.metrics.render(), media_type=CONTENT_TYPE_LATEST)
