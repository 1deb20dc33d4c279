"""The composition root: everything is put together here and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from backends.registry import Registry
from gateway import __version__
from gateway.api import (
    admin,
    errors,
    fish_audio,
    fish_audio_models,
    fish_classic,
    fish_codec,
    fish_live,
    fish_references,
    live,
    openai,
    openai_voices,
    sagemaker,
    tts,
    voices,
)
from gateway.api.access import EXPOSED_HEADERS, AccessControl
from gateway.api.deps import Services
from gateway.api.middleware import Bounds, RequestContext
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.client import EngineClient
from gateway.engine.process import ProcessEngine
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.service.access import Access
from gateway.service.aliases import Aliases
from gateway.service.classic_models import ClassicModels, MakeClient
from gateway.service.classic_prompts import ClassicPrompts
from gateway.service.clips import ClipReader
from gateway.service.codec import CodecService
from gateway.service.live_sessions import LiveSessions
from gateway.service.request_files import RequestFiles
from gateway.service.synthesize import Synthesizer
from gateway.settings import EngineSettings, Settings
from gateway.voices.fs import FileVoiceStore
from gateway.voices.store import VoiceStore

_DESCRIPTION = """Several speech engines behind one API; the engine is chosen per request.
Errors are `{"error": {"type", "message", "param", "request_id"}}`, except on routes of other APIs."""


def local_client(settings: Settings, metrics: Metrics, name: str, engine: EngineSettings, label: str) -> EngineClient:
    """Worker processes on this machine for one engine; none is started yet.

    :param label: what metrics call it.
    """
    restarts = metrics.worker_restarts.labels(label)
    return ProcessEngine(name, engine, on_restart=restarts.inc, hub=settings.hub)


def local_clients(settings: Settings, metrics: Metrics) -> list[EngineClient]:
    """Worker processes on this machine for every configured engine.

    :raises ConfigError: when an engine's plugin is not installed; nothing is imported to find out.
    """
    registry = Registry()
    clients: list[EngineClient] = []
    for name, engine in settings.engines.items():
        if engine.backend not in registry.names() and engine.python is None:
            known = ", ".join(registry.names())
            raise ConfigError(f"engines.{name}.backend: no plugin {engine.backend!r} is installed; installed: {known}")
        clients.append(local_client(settings, metrics, name, engine, label=name))
    return clients


def voice_store(settings: Settings) -> VoiceStore:
    """Where uploaded voices are kept.

    :raises ConfigError: when the folder cannot be made.
    """
    folder = settings.data_dir / "voices"
    try:
        return FileVoiceStore(folder, max_voices=settings.limits.voices)
    except OSError as error:
        raise ConfigError(f"data_dir: {folder} cannot be used: {error.strerror or error}") from None


def create_app(
    settings: Settings,
    clients: Iterable[EngineClient],
    store: VoiceStore,
    metrics: Metrics,
    make_client: MakeClient | None = None,
) -> FastAPI:
    """The whole HTTP application. Engines begin to load when it starts and end when it stops.

    :param make_client: makes engines that requests ask for; default: worker processes on this machine.
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
        wait_s=settings.limits.deadline_s,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engines.start()
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
    clips = ClipReader(settings.limits)
    synthesizer = Synthesizer(engines, store, clips, settings.limits, metrics)
    live_sessions = LiveSessions(synthesizer, settings.live, metrics)
    app.state.services = Services(
        settings=settings,
        engines=engines,
        voices=store,
        clips=clips,
        synthesizer=synthesizer,
        metrics=metrics,
        models=models,
        prompts=ClassicPrompts(files, store),
        files=files,
        aliases=Aliases(settings.aliases, engines, models, store),
        live=live_sessions,
        codec=CodecService(engines, clips, settings.limits, metrics),
    )
    errors.install(app)
    fish = (fish_classic, fish_audio, fish_audio_models, fish_references, fish_codec, fish_live)
    for module in (tts, live, voices, *fish, openai, openai_voices, sagemaker, admin):
        # include_router() would match every request twice, router by router, in recent FastAPI.
        app.router.routes.extend(module.router.routes)
    limits, origins = settings.limits, settings.cors.origins
    # The last one added is the first one that a request comes to.
    app.add_middleware(AccessControl, access=Access(settings.access), metrics=metrics)
    app.add_middleware(
        Bounds,
        max_body_bytes=limits.body_bytes,
        body_s=limits.body_s,
        max_requests=limits.requests,
        stopping=live_sessions.draining.is_set,
        origins=origins,
        own_names=bool(settings.access.keys),
    )
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(RequestContext, metrics=metrics, answer_bug=errors.answer_bug)
    return app
