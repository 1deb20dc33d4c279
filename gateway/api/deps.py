"""What routes are given, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive

from gateway.engine.catalog import Engines
from gateway.errors import ClientGone
from gateway.metrics import Metrics
from gateway.service.aliases import Aliases
from gateway.service.classic_models import ClassicModels
from gateway.service.classic_prompts import ClassicPrompts
from gateway.service.clips import ClipReader
from gateway.service.codec import CodecService
from gateway.service.live_sessions import LiveSessions
from gateway.service.request_files import RequestFiles
from gateway.service.synthesize import Synthesizer
from gateway.settings import Settings
from gateway.voices.store import VoiceStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the application is composed of."""

    settings: Settings
    engines: Engines
    voices: VoiceStore
    clips: ClipReader
    synthesizer: Synthesizer
    metrics: Metrics
    models: ClassicModels
    prompts: ClassicPrompts
    files: RequestFiles
    aliases: Aliases
    codec: CodecService
    live: LiveSessions


async def services(connection: HTTPConnection) -> Services:
    """The application's services, unless the request, or the WebSocket, is refused beforehand (see
    ``middleware.Bounds``).

    A coroutine, because FastAPI sends plain functions through a thread pool.
    """
    if refusal := connection.scope["state"].get("refusal"):
        raise refusal
    found: Services = connection.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


class ServiceRoute(APIRoute):
    """A route. One whose handler takes only ``request`` and ``services`` and returns a response is called directly:
    FastAPI's parameter solving, made for parameters that it has to parse, would cost more than all validation here.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See :class:`fastapi.routing.APIRoute`."""
        endpoint = self.endpoint
        if self.response_field is not None or list(signature(endpoint).parameters) != ["request", "services"]:
            return super().get_route_handler()

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(request, await services(request))
            return response

        return handle


def request_id(connection: HTTPConnection) -> str:
    """The id that the middleware gave this request, or this WebSocket."""
    found: str = connection.scope["state"]["request_id"]
    return found


async def disconnected(receive: Receive) -> None:
    """Return when the client has hung up. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Await ``work``, but cancel it when the client hangs up.

    :raises ClientGone: when it did.
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
