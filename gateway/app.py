"""Composition root: the only module that builds the application's collaborators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from backends.registry import Registry
from gateway import __version__
from gateway.api import fish_audio, fish_classic, native, openai, sagemaker
from gateway.api.common import errors
from gateway.api.common.auth import EXPOSED_HEADERS, ApiKeyAuth
from gateway.api.common.csrf import CsrfGuard
from gateway.api.common.deps import Services
from gateway.api.common.limits import RequestLimits
from gateway.api.common.request_context import RequestContext
from gateway.api.common.route import head_routes
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.client import EngineClient
from gateway.engine.last_loads import LastLoads
from gateway.engine.process import ProcessEngine
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.service.aliases import Aliases
from gateway.service.auth import ApiKeys
from gateway.service.classic.files import RequestFiles
from gateway.service.classic.models import ClassicModels, ClientFactory
from gateway.service.clip_urls import ClipUrls
from gateway.service.clips import ClipReader
from gateway.service.codec import CodecService
from gateway.service.live.sessions import LiveSessions
from gateway.service.synthesize import Synthesizer
from gateway.settings import EngineSettings, Settings
from gateway.text.lexicons.store import LexiconStore
from gateway.text.normalize.languages import language_for
from gateway.voices.fs import FileVoiceStore
from gateway.voices.store import VoiceStore
from gateway.webui.files import routes as page_routes

_DESCRIPTION = """Several speech engines behind one API; the engine is chosen per request.
Errors are `{"error": {"type", "message", "param", "request_id"}}`, except on routes of other APIs."""


def local_client(
    settings: Settings,
    metrics: Metrics,
    name: str,
    engine: EngineSettings,
    label: str,
    last_loads: LastLoads | None = None,
) -> EngineClient:
    """Make a client for worker processes on this machine; no process is started yet.

    :param label: the engine's label in metrics.
    :param last_loads: keeps the engine's capabilities; None for engines that requests name.
    """
    restarts = metrics.worker_restarts.labels(label)
    return ProcessEngine(name, engine, restarts.inc, settings.hub, last_loads)


def local_clients(settings: Settings, metrics: Metrics) -> list[EngineClient]:
    """Make a client for every configured engine, with worker processes on this machine.

    :raises ConfigError: if an engine's plugin is not installed, checked without importing plugins.
    """
    registry, last_loads = Registry(), LastLoads(settings.data_dir / "capabilities")
    clients: list[EngineClient] = []
    for name, engine in settings.engines.items():
        if engine.backend not in registry.names() and engine.python is None:
            known = ", ".join(registry.names())
            raise ConfigError(f"engines.{name}.backend: plugin {engine.backend!r} is not installed; installed: {known}")
        clients.append(local_client(settings, metrics, name, engine, name, last_loads))
    return clients


def voice_store(settings: Settings) -> VoiceStore:
    """Open the store of uploaded voices.

    :raises ConfigError: if its folder cannot be created.
    """
    folder = settings.data_dir / "voices"
    try:
        return FileVoiceStore(folder, max_voices=settings.limits.voices)
    except OSError as error:
        raise ConfigError(f"data_dir: {folder} cannot be used: {error.strerror or error}") from None


def lexicon_store(settings: Settings) -> LexiconStore:
    """Open the store of pronunciation dictionaries.

    :raises ConfigError: if its folder cannot be read.
    """
    folder, limits = settings.data_dir / "lexicons", settings.limits
    try:
        return LexiconStore(folder, settings.lexicons.default, limits.lexicons, limits.lexicon_entries)
    except OSError as error:
        raise ConfigError(f"data_dir: {folder} cannot be used: {error.strerror or error}") from None


def create_app(
    settings: Settings,
    clients: Iterable[EngineClient],
    store: VoiceStore,
    metrics: Metrics,
    make_client: ClientFactory | None = None,
) -> FastAPI:
    """Build the HTTP application. Eager engines start to load at startup; all engines are closed at shutdown.

    :param make_client: makes the clients of engines that requests create; default: worker processes on this machine.
    :raises ConfigError: if the setting ``root_path`` begins like a route.
    """
    engines = Engines(
        {client.name: ConfiguredEngine.of(settings.engines[client.name], client) for client in clients},
        settings.default_engine,
    )
    files = RequestFiles(settings.fish_api.roots, max_bytes=settings.limits.body_bytes)
    models = ClassicModels(
        engines,
        engines.get(settings.fish_engine) if settings.fish_engine else None,
        make_client or partial(local_client, settings, metrics),
        max_models=settings.fish_api.max_models,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engines.start()
        await asyncio.to_thread(language_for, "en")  # takes 60 ms, which the first request would wait for
        try:
            yield
        finally:
            await models.close()
            await engines.close()

    app = FastAPIOffline(
        title="Voxgate",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        # Else recent FastAPI looks for OpenTelemetry providers at each request; metrics and logs are the gateway's own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    clips = ClipReader(settings.limits, ClipUrls(settings.reference_urls, settings.limits.body_bytes))
    lexicons = lexicon_store(settings)
    lexicons.log_problems()
    synthesizer = Synthesizer(engines, store, lexicons, clips, settings.limits, metrics)
    live_sessions = LiveSessions(synthesizer, settings.live, metrics)
    app.state.services = Services(
        settings=settings,
        engines=engines,
        voices=store,
        clips=clips,
        synthesizer=synthesizer,
        metrics=metrics,
        models=models,
        files=files,
        aliases=Aliases(settings.aliases, engines, models, store),
        live=live_sessions,
        lexicons=lexicons,
        codec=CodecService(engines, clips, settings.limits, metrics),
    )
    errors.install(app)
    for dialect in (native, fish_classic, fish_audio, openai, sagemaker):
        for router in dialect.ROUTERS:
            # Not include_router(): in recent FastAPI it matches every request twice, router by router.
            app.router.routes.extend(router.routes)
    app.router.routes.extend(head_routes(app.router.routes))
    if settings.ui.enabled:
        app.router.routes.extend(page_routes())
    _check_root_path(settings.root_path, app)
    limits, origins = settings.limits, settings.cors.origins
    # The middleware added last is the outermost.
    app.add_middleware(ApiKeyAuth, keys=ApiKeys(settings.access), metrics=metrics)
    app.add_middleware(
        RequestLimits,
        max_body_bytes=limits.body_bytes,
        body_s=limits.body_s,
        max_requests=limits.requests,
        stopping=live_sessions.draining.is_set,
        csrf=CsrfGuard(origins, trust_host_header=bool(settings.access.keys)),
    )
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(
        RequestContext, metrics=metrics, root_path=settings.root_path, internal_error=errors.internal_error
    )
    return app


def _check_root_path(root_path: str, app: FastAPI) -> None:
    """Refuse a prefix that cannot be distinguished from a route once the proxy has removed it.

    :raises ConfigError: naming the part.
    """
    first = root_path.split("/")[1:2]
    taken = {getattr(route, "path", "").split("/")[1] for route in app.routes}
    if taken.intersection(first):
        raise ConfigError(
            f"root_path: {root_path} begins like the route /{first[0]}: use another path, such as /speech"
        )
