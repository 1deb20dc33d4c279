"""Dependencies of routes: the services, the request ID, cancellation when the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from starlette.requests import HTTPConnection
from starlette.types import Receive

from gateway.engine.catalog import Engines
from gateway.errors import ClientGone
from gateway.metrics import Metrics
from gateway.service.aliases import Aliases
from gateway.service.classic.files import RequestFiles
from gateway.service.classic.models import ClassicModels
from gateway.service.clips import ClipReader
from gateway.service.codec import CodecService
from gateway.service.live.sessions import LiveSessions
from gateway.service.synthesize import Synthesizer
from gateway.settings import Settings
from gateway.text.lexicons.store import LexiconStore
from gateway.voices.store import VoiceStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators that the composition root builds."""

    settings: Settings
    engines: Engines
    voices: VoiceStore
    clips: ClipReader
    synthesizer: Synthesizer
    metrics: Metrics
    models: ClassicModels
    files: RequestFiles
    aliases: Aliases
    codec: CodecService
    live: LiveSessions
    lexicons: LexiconStore


def raise_refusal(connection: HTTPConnection) -> None:
    """Raise the refusal that the middleware decided on, if any.

    The middleware leaves it to the route, so that the response has the envelope of the route's API.

    :raises GatewayError: the refusal.
    """
    if refusal := connection.scope["state"].get("refusal"):
        raise refusal


async def services(connection: HTTPConnection) -> Services:
    """The application's services. A coroutine, because FastAPI runs plain functions in a thread pool."""
    found: Services = connection.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


def request_id(connection: HTTPConnection) -> str:
    """The ID that the middleware assigned to this request or WebSocket."""
    found: str = connection.scope["state"]["request_id"]
    return found


def deadline_at(connection: HTTPConnection, services: Services) -> float:
    """End of ``limits.deadline_s`` for the request, on the event loop's clock; it starts at the first call."""
    limit_s = services.settings.limits.deadline_s
    found: float = connection.scope["state"].setdefault("deadline_at", asyncio.get_running_loop().time() + limit_s)
    return found


async def disconnected(receive: Receive) -> None:
    """Wait until the client disconnects. The request body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def cancel_on_disconnect(request: Request, work: Awaitable[T]) -> T:
    """Await ``work``; cancel it if the client disconnects.

    :raises ClientGone: if the client disconnected.
    """
    try:
        async with asyncio.timeout(None) as connected:
            watcher = asyncio.create_task(_expire_when_gone(request, connected))
            try:
                return await work
            finally:
                watcher.cancel()
    except TimeoutError:
        if not connected.expired():
            raise
        raise ClientGone("the client closed the connection") from None


async def _expire_when_gone(request: Request, connected: asyncio.Timeout) -> None:
    await disconnected(request.receive)
    connected.reschedule(asyncio.get_running_loop().time())
