"""Models of the classic Fish-Speech API: engines that requests load, replace and delete by name.

The model ``default`` uses the configured engine, the base engine, from the start. A PUT without changes makes another
name for the base engine. A PUT with changes creates an engine, which lives until its name is deleted or replaced.
Loading and unloading continue if the client that requested them disconnects.
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
PREFIX = "fish:"  # of created engines; names of configured engines cannot have a colon
LABEL = "fish:*"  # of all created engines in metrics, because their names come from clients
POLL_S = 0.05

ClientFactory = Callable[[str, EngineSettings, str], EngineClient]
"""Makes the client of a new engine from its name, its settings and its label in metrics, without loading it."""

T = TypeVar("T")


class ListedModel(NamedTuple):
    """A model that can be invoked. :ivar since_s: creation time in Unix time."""

    name: str
    since_s: int


class Model:
    """A name with its engine.

    :ivar owns_engine: whether the engine was created for this name.
    :ivar available: whether the model has been ready under this name.
    :ivar removed: set when the model is deleted or replaced.
    :ivar load_task: loads the engine; its result is the error, if any.
    :ivar idle: set while no request uses the model.
    """

    def __init__(self, name: str, engine: ConfiguredEngine, owns_engine: bool, available: bool = False):
        self.name = name
        self.engine = engine
        self.owns_engine = owns_engine
        self.available = available
        self.since_s = int(time.time())
        self.removed = asyncio.Event()
        self.load_task: asyncio.Task[GatewayError | None] | None = None
        self._users = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def is_loading(self) -> bool:
        """Whether the load task is running."""
        return self.load_task is not None and not self.load_task.done()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the engine loaded for the duration of the context."""
        self._users += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self.idle.set()


class ClassicModels:
    """The models by name.

    :param base: the base engine, if one is configured.
    :param max_models: limit on names besides ``default``, including models that are being unloaded.
    """

    def __init__(
        self,
        engines: Engines,
        base: ConfiguredEngine | None,
        make_client: ClientFactory,
        max_models: int,
    ):
        self._engines = engines
        self._base = base
        self._make_client = make_client
        self._max_models = max_models
        self._models: dict[str, Model] = {}
        self._unloading: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._base_models: set[Model] = set()  # models of the base engine, including those being unloaded
        self._base_not_unloading = asyncio.Event()
        self._base_not_unloading.set()
        if base is not None:
            self._models[DEFAULT] = self._share_base(base, DEFAULT, available=True)

    @property
    def base(self) -> EngineSettings:
        """The base engine's settings, which new models inherit.

        :raises EngineNotFound: if no base engine is configured.
        """
        if self._base is None:
            raise EngineNotFound(
                "no engine is configured for this API: set fish_api.engine, or configure a fish engine"
            )
        return self._base.settings

    def listed(self) -> list[ListedModel]:
        """The models that can be invoked."""
        return [ListedModel(model.name, model.since_s) for model in self._models.values() if model.available]

    def engine_of(self, name: str) -> str | None:
        """The engine's name of a model that can be invoked; None if there is no such model."""
        model = self._models.get(name)
        return model.engine.name if model is not None and model.available else None

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[Model]:
        """Find a model and keep its engine loaded for the duration of the context.

        :raises NotFound: if there is no such model.
        """
        model = self._models.get(name)
        if model is None:
            raise NotFound("Cannot find model.")
        with model.in_use():
            yield model

    async def wait_ready(self, model: Model, until: float) -> ConfiguredEngine:
        """Wait until a model in use is ready, loading it if necessary; return its engine.

        :param until: end of the wait, on the event loop's clock.
        :raises NotFound: if the model is deleted or replaced meanwhile.
        :raises EngineUnavailable: if the engine is not ready in time, or has failed.
        """
        try:
            async with asyncio.timeout_at(until):
                await self._wait_until_ready(model)
        except TimeoutError:
            raise EngineUnavailable(f"model {model.name!r} is loading", retry_after_s=LOADING_RETRY_S) from None
        return model.engine

    async def put(self, name: str, settings: EngineSettings) -> None:
        """Load an engine with these settings under a name, and wait until it is ready.

        A model that had the name is unloaded first, after its requests have finished.

        :raises Conflict: if there are too many models, or this model is deleted or replaced meanwhile.
        :raises InvalidRequest: if the name is invalid.
        :raises LoadFailed: with the engine's message; the name is free again.
        """
        if not NAME.fullmatch(name):
            raise InvalidRequest(f"invalid model name {name!r}: must match {NAME.pattern}", param="name")
        error = await asyncio.shield(self._start_load(name, settings))
        if error is not None:
            raise error

    async def delete(self, name: str) -> None:
        """Delete a model, and wait until its requests have finished and its memory is free.

        :raises BadRequest: if there is no such model.
        """
        model = self._models.pop(name, None)
        if model is None:
            raise BadRequest("Model not found.")
        await asyncio.shield(self._retire(model))

    async def close(self) -> None:
        """Cancel all loading and unloading. The engine catalog closes the engines."""
        for model in self._models.values():
            model.removed.set()
        self._models.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start_load(self, name: str, settings: EngineSettings) -> asyncio.Task[GatewayError | None]:
        current = self._models.get(name)
        if current is not None and self._can_reuse(current, settings):
            if current.load_task is None or not current.is_loading:
                current.load_task = self._spawn(self._load_after_predecessor(current))
            return current.load_task
        self._check_capacity(name)
        model = self._create(name, settings)
        if current is not None:
            self._retire(current, replaced=True)
        self._models[name] = model
        model.load_task = self._spawn(self._load_after_predecessor(model))
        return model.load_task

    def _can_reuse(self, model: Model, settings: EngineSettings) -> bool:
        """Whether a repeated PUT can keep the model's engine.

        A created engine is loaded again, because its files may have changed, unless it is still loading.
        """
        same = model.engine.settings == (_as_lazy(settings) if model.owns_engine else settings)
        return same and (not model.owns_engine or model.is_loading)

    def _check_capacity(self, name: str) -> None:
        others = {*self._models, *self._unloading} - {name, DEFAULT}
        if name != DEFAULT and len(others) >= self._max_models:
            raise Conflict(
                f"there are {len(others)} models: the limit is fish_api.max_models = {self._max_models}; delete one"
            )

    def _create(self, name: str, settings: EngineSettings) -> Model:
        if self._base is not None and settings == self.base:
            return self._share_base(self._base, name)
        settings = _as_lazy(settings)
        client = self._make_client(PREFIX + name, settings, LABEL)
        return Model(name, ConfiguredEngine.of(settings, client, LABEL), owns_engine=True)

    def _share_base(self, base: ConfiguredEngine, name: str, available: bool = False) -> Model:
        model = Model(name, base, owns_engine=False, available=available)
        self._base_models.add(model)
        return model

    async def _load_after_predecessor(self, model: Model) -> GatewayError | None:
        """Load a model after the previous model of its name has been unloaded."""
        if (predecessor := self._unloading.get(model.name)) is not None:
            await _wait_either(predecessor, model.removed)
        if not model.owns_engine:
            await self._base_not_unloading.wait()
        error = await self._load(model)
        if error is None:
            model.available = True
        elif not model.available and self._models.get(model.name) is model:
            log.warning("a model could not be loaded", model=model.name, error=error.message)
            del self._models[model.name]
            self._retire(model)
        return error

    async def _load(self, model: Model) -> GatewayError | None:
        client = model.engine.client
        if not model.removed.is_set():
            if model.owns_engine:
                self._engines.add(model.engine)  # from here on the catalog closes it at shutdown
            if client.status().state is not State.READY:
                client.load()
                await _sleep_unless_removed(
                    model
                )  # the status of an earlier failure remains until the new attempt starts
        while not model.removed.is_set():
            status = client.status()
            if status.state is State.READY:
                return None
            if status.state in (State.FAILED, State.UNLOADED):
                return LoadFailed(f"the model could not be loaded: {status.error or 'its engine was unloaded'}")
            await _sleep_unless_removed(model)
        return Conflict("the model was deleted or replaced while it was loading")

    async def _wait_until_ready(self, model: Model) -> None:
        if model.load_task is not None and model.is_loading:
            error = await asyncio.shield(model.load_task)
            if error is not None and not isinstance(error, Conflict):
                raise error
        if model.engine.client.ready:
            return
        waiting = asyncio.create_task(model.engine.loading.ready())
        try:
            await _wait_either(waiting, model.removed)
            if model.removed.is_set() and not model.engine.client.ready:
                raise NotFound("Cannot find model.")  # as for a new request
            await waiting
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
            if not waiting.cancelled():
                waiting.exception()  # retrieved so that asyncio does not log it

    def _retire(self, model: Model, replaced: bool = False) -> asyncio.Task[None]:
        """Start unloading a model that no longer has its name."""
        model.removed.set()
        task = self._spawn(self._unload_when_idle(model, replaced, self._unloading.get(model.name)))
        self._unloading[model.name] = task
        task.add_done_callback(lambda done: self._discard_unload(model.name, done))
        return task

    def _discard_unload(self, name: str, done: asyncio.Task[None]) -> None:
        if self._unloading.get(name) is done:
            del self._unloading[name]

    async def _unload_when_idle(self, model: Model, replaced: bool, predecessor: asyncio.Task[None] | None) -> None:
        """Unload a model after its running requests, all of which have a deadline.

        The base engine is unloaded with its last model.
        """
        if predecessor is not None:
            await asyncio.wait({predecessor})
        await model.idle.wait()
        client = model.engine.client
        if model.owns_engine:
            await client.unload()
            await client.close()
            self._engines.remove(model.engine.name)
            return
        self._base_models.discard(model)
        # An eager base engine stays loaded when its last model is replaced, because only the name was to change.
        if not self._base_models and not (replaced and model.engine.settings.load == "eager"):
            self._base_not_unloading.clear()
            try:
                await client.unload()
            finally:
                self._base_not_unloading.set()

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _as_lazy(settings: EngineSettings) -> EngineSettings:
    """Settings of a created engine: lazy, so that readiness does not depend on it."""
    return settings.model_copy(update={"load": "lazy"})


async def _sleep_unless_removed(model: Model) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_S):
            await model.removed.wait()


async def _wait_either(task: asyncio.Task[Any], event: asyncio.Event) -> None:
    """Wait until the task is done or the event is set, without cancelling the task."""
    waiter = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()
