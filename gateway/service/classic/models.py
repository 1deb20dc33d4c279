"""Models of the classic Fish-Speech API: names that requests give to engines, and the life of engines made for them.

The name ``default`` stands for the configured engine from the start. A PUT that asks for just that engine makes its
name another name for it; one that changes something has an engine made, which lives until its name is deleted or given
away. Whatever was begun goes on when the client that asked for it hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple, TypeVar

import structlog

from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.client import LOADING_RETRY_S, EngineClient, State
from gateway.errors import (
    BadRequest,
    Conflict,
    EngineNotFound,
    EngineUnavailable,
    GatewayError,
    InvalidRequest,
    LoadFailed,
    NotFound,
)
from gateway.settings import EngineSettings

log = structlog.get_logger(__name__)

DEFAULT = "default"
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PREFIX = "fish:"  # of engines made for requests; no configured engine's name can have a colon
LABEL = "fish:*"  # what metrics call them, since their names come from clients
POLL_S = 0.05

MakeClient = Callable[[str, EngineSettings, str], EngineClient]
"""Makes the client of a new engine from its name, its settings and its label in metrics; starts nothing."""

T = TypeVar("T")


class NamedModel(NamedTuple):
    """A model that can be invoked. :ivar since_s: Unix time."""

    name: str
    since_s: int


class Model:
    """A name and what it stands for.

    :ivar own: whether the engine was made for this name.
    :ivar served: whether it is, or was, ready to be invoked under this name.
    :ivar gone: set when the name is given away.
    :ivar loading: brings the engine up; its result is why that failed.
    """

    def __init__(self, name: str, engine: ConfiguredEngine, own: bool, served: bool = False):
        self.name = name
        self.engine = engine
        self.own = own
        self.served = served
        self.since_s = int(time.time())
        self.gone = asyncio.Event()
        self.loading: asyncio.Task[GatewayError | None] | None = None
        self._users = 0
        self.unused = asyncio.Event()
        self.unused.set()

    @property
    def is_loading(self) -> bool:
        """Whether its engine is being brought up."""
        return self.loading is not None and not self.loading.done()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """While a request uses it, the engine is not taken away."""
        self._users += 1
        self.unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self.unused.set()


class ClassicModels:
    """All of them.

    :param base: the engine that ``default`` stands for and that models start from, if there is one.
    :param max_models: names at once besides ``default``, those under way out included.
    :param wait_s: how long a request may wait for a model that loads.
    """

    def __init__(
        self, engines: Engines, base: ConfiguredEngine | None, make_client: MakeClient, max_models: int, wait_s: float
    ):
        self._engines = engines
        self._base = base
        self._make_client = make_client
        self._max_models = max_models
        self._wait_s = wait_s
        self._models: dict[str, Model] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_base: set[Model] = set()  # those that stand for the configured engine, on their way out included
        self._base_settled = asyncio.Event()  # not while the configured engine is being unloaded
        self._base_settled.set()
        if base is not None:
            self._models[DEFAULT] = self._on(base, DEFAULT, served=True)

    @property
    def base(self) -> EngineSettings:
        """The settings that models start from.

        :raises EngineNotFound: when no engine is configured for this API.
        """
        if self._base is None:
            raise EngineNotFound(
                "no engine is configured for this API: set fish_api.engine, or configure a fish engine"
            )
        return self._base.settings

    def listed(self) -> list[NamedModel]:
        """Those that can be invoked."""
        return [NamedModel(model.name, model.since_s) for model in self._models.values() if model.served]

    def engine_of(self, name: str) -> str | None:
        """The name of the engine behind a model that can be invoked."""
        model = self._models.get(name)
        return model.engine.name if model is not None and model.served else None

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[Model]:
        """A model whose engine is not taken away within the context.

        :raises NotFound: there is none of that name.
        """
        model = self._models.get(name)
        if model is None:
            raise NotFound("Cannot find model.")
        with model.used():
            yield model

    async def ready(self, model: Model) -> ConfiguredEngine:
        """The engine of a model in use, loaded if need be.

        :raises NotFound: the model was deleted or replaced meanwhile.
        :raises EngineUnavailable: it is not ready in time, or failed and is to be tried again later.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._until_ready(model)
        except TimeoutError:
            if model.is_loading:  # perhaps it only waits for what it replaces
                raise EngineUnavailable(f"{model.name} is loading", retry_after_s=LOADING_RETRY_S) from None
            raise model.engine.client.unavailable() from None
        return model.engine

    async def put(self, name: str, settings: EngineSettings) -> None:
        """Have a name stand for an engine with these settings, and wait until that is loaded.

        What the name stood for is given up first, when its requests have finished.

        :raises Conflict: there are too many models, or the name was given away meanwhile.
        :raises InvalidRequest: it could be no name.
        :raises LoadFailed: with the engine's message; the name is free then.
        """
        if not NAME.fullmatch(name):
            raise InvalidRequest("1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit", param="name")
        error = await asyncio.shield(self._put(name, settings))
        if error is not None:
            raise error

    async def delete(self, name: str) -> None:
        """Give a model up, and wait until its requests have finished and its memory is free.

        :raises BadRequest: there is no such model.
        """
        model = self._models.pop(name, None)
        if model is None:
            raise BadRequest("Model not found.")
        await asyncio.shield(self._leave(model))

    async def close(self) -> None:
        """Stop whatever is under way. The engines are closed by whoever owns their catalogue."""
        for model in self._models.values():
            model.gone.set()
        self._models.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _put(self, name: str, settings: EngineSettings) -> asyncio.Task[GatewayError | None]:
        current = self._models.get(name)
        if current is not None and self._stays(current, settings):
            if current.loading is None or not current.is_loading:
                current.loading = self._start(self._bring(current))
            return current.loading
        self._check_room(name)
        model = self._new(name, settings)
        if current is not None:
            self._leave(current, replaced=True)
        self._models[name] = model
        model.loading = self._start(self._bring(model))
        return model.loading

    def _stays(self, model: Model, settings: EngineSettings) -> bool:
        """Whether a name that is asked for again stands for the same engine still. One made for it is made anew, as
        its files may be others by now, unless it is being made.
        """
        same = model.engine.settings == (_made(settings) if model.own else settings)
        return same and (not model.own or model.is_loading)

    def _check_room(self, name: str) -> None:
        others = {*self._models, *self._leaving} - {name, DEFAULT}
        if name != DEFAULT and len(others) >= self._max_models:
            raise Conflict(f"there are {len(others)} models, as many as fish_api.max_models allows: delete one first")

    def _new(self, name: str, settings: EngineSettings) -> Model:
        if self._base is not None and settings == self.base:
            return self._on(self._base, name)
        settings = _made(settings)
        client = self._make_client(PREFIX + name, settings, LABEL)
        return Model(name, ConfiguredEngine.of(settings, client, LABEL), own=True)

    def _on(self, base: ConfiguredEngine, name: str, served: bool = False) -> Model:
        model = Model(name, base, own=False, served=served)
        self._on_base.add(model)
        return model

    async def _bring(self, model: Model) -> GatewayError | None:
        """Load a model, after what had its name has left."""
        if (before := self._leaving.get(model.name)) is not None:
            await _first(before, model.gone)
        if not model.own:
            await self._base_settled.wait()
        error = await self._load(model)
        if error is None:
            model.served = True
        elif not model.served and self._models.get(model.name) is model:
            log.warning("a model could not be loaded", model=model.name, error=error.message)
            del self._models[model.name]
            self._leave(model)
        return error

    async def _load(self, model: Model) -> GatewayError | None:
        client = model.engine.client
        if not model.gone.is_set():
            if model.own:
                self._engines.add(model.engine)  # whoever closes the gateway finds it from here on
            if client.status().state is not State.READY:
                client.load()
                await _pause(model)  # one that failed before says so until it is tried again
        while not model.gone.is_set():
            status = client.status()
            if status.state is State.READY:
                return None
            if status.state in (State.FAILED, State.UNLOADED):
                return LoadFailed(f"the model could not be loaded: {status.error or 'its engine was unloaded'}")
            await _pause(model)
        return Conflict("the model was deleted or replaced while it was loading")

    async def _until_ready(self, model: Model) -> None:
        if model.loading is not None and model.is_loading:
            error = await asyncio.shield(model.loading)
            if error is not None and not isinstance(error, Conflict):
                raise error
        client = model.engine.client
        while (state := client.status().state) is not State.READY:
            if model.gone.is_set():
                raise NotFound("Cannot find model.")  # as it is for those who come now
            if state is State.FAILED:
                raise client.unavailable()
            if state is State.UNLOADED:
                client.load()
            await _pause(model)

    def _leave(self, model: Model, replaced: bool = False) -> asyncio.Task[None]:
        model.gone.set()
        task = self._start(self._left(model, replaced, self._leaving.get(model.name)))
        self._leaving[model.name] = task
        task.add_done_callback(lambda done: self._forget(model.name, done))
        return task

    def _forget(self, name: str, done: asyncio.Task[None]) -> None:
        if self._leaving.get(name) is done:
            del self._leaving[name]

    async def _left(self, model: Model, replaced: bool, before: asyncio.Task[None] | None) -> None:
        """Wait for the requests under way, which all have a deadline, then free what nobody needs any more."""
        if before is not None:
            await asyncio.wait({before})
        await model.unused.wait()
        client = model.engine.client
        if model.own:
            await client.unload()
            await client.close()
            self._engines.remove(model.engine.name)
            return
        self._on_base.discard(model)
        # Nobody asked for the end of an engine that is configured to be loaded, only for another model under its name.
        if not self._on_base and not (replaced and model.engine.settings.load == "eager"):
            self._base_settled.clear()
            try:
                await client.unload()
            finally:
                self._base_settled.set()

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _made(settings: EngineSettings) -> EngineSettings:
    """An engine made for a request is none that the gateway waits for when it starts."""
    return settings.model_copy(update={"load": "lazy"})


async def _pause(model: Model) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_S):
            await model.gone.wait()


async def _first(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Wait until the task is done or the event is set; the task goes on."""
    happens = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, happens}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        happens.cancel()
