"""Health checks and metrics: served without an API key and under any load."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse

from gateway import __version__
from gateway.api.common.deps import Services, ServicesDep
from gateway.api.common.openapi import JSON, success
from gateway.api.common.route import DialectRoute
from gateway.engine.catalog import ConfiguredEngine
from gateway.engine.client import State

router = APIRouter(tags=["operation"], route_class=DialectRoute)


@router.get("/health", summary="Liveness")
@router.get("/health/live", summary="Liveness")
async def live() -> dict[str, str]:
    """200 while the gateway responds."""
    return {"status": "ok", "service": "voxgate", "version": __version__}


_READY = success("Ready.", JSON) | success("An engine is not ready, or the gateway is shutting down.", JSON, status=503)


@router.get("/health/ready", summary="Readiness", responses=_READY)
async def ready(services: ServicesDep) -> Response:
    """200 if the default engine and every eager engine accept requests and the gateway is not shutting down.

    A lazy default engine may still be unloaded.
    """
    states = {engine.name: engine.client.status().state.value for engine in services.engines}
    status = "shutting down" if services.live.draining.is_set() else "ok" if services.engines.ready else "not ready"
    return JSONResponse({"status": status, "engines": states}, 200 if status == "ok" else 503)


def _set_gauges(services: Services) -> None:
    metrics = services.metrics
    for gauge in (metrics.queue_depth, metrics.predicted_wait_s, metrics.active_jobs, metrics.engine_ready):
        gauge.clear()  # removes engines that no longer exist
    by_label: dict[str, list[ConfiguredEngine]] = {}
    for engine in services.engines:
        by_label.setdefault(engine.label, []).append(engine)
    for label, engines in by_label.items():
        metrics.queue_depth.labels(label).set(sum(engine.waiting for engine in engines))
        metrics.predicted_wait_s.labels(label).set(max(engine.admission.predicted_wait_s() for engine in engines))
        metrics.active_jobs.labels(label).set(sum(engine.admission.active for engine in engines))
        is_ready = all(engine.client.status().state is State.READY for engine in engines)
        metrics.engine_ready.labels(label).set(is_ready)


@router.get(
    "/metrics", summary="Prometheus metrics", response_class=Response, responses=success("The metrics.", "text/plain")
)
async def metrics(services: ServicesDep) -> Response:
    """Counters, gauges and histograms in the Prometheus text format."""
    _set_gauges(services)
    return Response(services.metrics.render(), media_type=CONTENT_TYPE_LATEST)
