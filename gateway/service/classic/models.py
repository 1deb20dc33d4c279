"""Models of the classic Fish-Speech API: names of the configured engine, and of engines that requests create.

The configured engine, the base engine, has the name ``default`` from the start. A PUT without changes makes another
name for it. A PUT with changes creates an engine, which lives until its name is deleted or replaced. Loading and
unloading continue if the client that requested them disconnects.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.client import LOADING_RETRY_S, EngineClient
from gateway.errors import BadRequest, Conflict, EngineNotFound, EngineUnavailable, InvalidRequest, LoadFailed, NotFound
from gateway.settings import EngineSettings

log = structlog.get_logger(__name__)

DEFAULT = "default"
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PREFIX = "fish:"  # of created engines; names of configured engines cannot have a colon
LABEL = "fish:*"  # of all created engines in metrics, because their names come from clients

ClientFactory = Callable[[str, EngineSettings, str], EngineClient]
"""Makes the client of a new engine from its name, its settings and its label in metrics, without loading it."""


@dataclass(eq=False, slots=True)
class Model:
    """A name of an engine.

    :ivar listed: whether the engine has been ready under this name.
    :ivar since_s: creation time in Unix time.
    :ivar loading: the task of a PUT while it runs; its result is the error, if any.
    :ivar requests: one future for each running request, done when the request ends.
    """

    name: str
    engine: ConfiguredEngine
    listed: bool = False
    since_s: int = field(default_factory=lambda: int(time.time()))
    loading: asyncio.Task[LoadFailed | None] | None = None
    requests: set[asyncio.Future[None]] = field(default_factory=set)


class ClassicModels:
    """The models by name.

    :param base: the base engine, if one is configured.
    :param max_models: limit on names besides ``default``, including models that are being unloaded.
    """

    def __init__(self, engines: Engines, base: ConfiguredEngine | None, make_client: ClientFactory, max_models: int):
        self._engines = engines
        self._base = base
        self._make_client = make_client
        self._max_models = max_models
        self._models: dict[str, Model] = {}
        self._unloading: set[asyncio.Task[None]] = set()  # each task has its model's name
        self._base_names = 0  # including those that are being unloaded
        if base is not None:
            self._add(DEFAULT, base).listed = True

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

    def listed(self) -> list[Model]:
        """The models that can be invoked."""
        return [model for model in self._models.values() if model.listed]

    def engine_of(self, name: str) -> str | None:
        """The engine's name of a model that can be invoked; None if there is no such model."""
        return next((model.engine.name for model in self.listed() if model.name == name), None)

    @asynccontextmanager
    async def using(self, name: str, until: float) -> AsyncIterator[ConfiguredEngine]:
        """Find a model's engine and keep it for the duration of the context. If a PUT is loading it, wait for that.

        :param until: end of the wait, on the event loop's clock.
        :raises NotFound: if there is no such model, or it is deleted or replaced during the wait.
        :raises LoadFailed: if the PUT fails.
        :raises EngineUnavailable: if the PUT takes too long.
        """
        loop, model = asyncio.get_running_loop(), self._models.get(name)
        if model is not None and (loading := model.loading):
            await asyncio.wait({loading}, timeout=until - loop.time())
            if not loading.done():
                raise EngineUnavailable(f"model {name!r} is loading", retry_after_s=LOADING_RETRY_S)
            if not loading.cancelled() and (error := loading.result()):
                raise error
        if model is None or self._models.get(name) is not model:
            raise NotFound("Cannot find model.")
        request = loop.create_future()
        model.requests.add(request)
        try:
            yield model.engine
        finally:
            model.requests.remove(request)
            request.set_result(None)

    async def put(self, name: str, settings: EngineSettings) -> ConfiguredEngine:
        """Load an engine with these settings under a name; return it when it is ready.

        A model that had the name is unloaded first, after its requests have finished.

        :raises Conflict: if there are too many models, or this model is deleted or replaced meanwhile.
        :raises InvalidRequest: if the name is invalid.
        :raises LoadFailed: with the engine's message; the name is free again.
        """
        if not NAME.fullmatch(name):
            raise InvalidRequest(f"invalid model name {name!r}: must match {NAME.pattern}", param="name")
        if settings != self.base:  # lazy, so that readiness does not depend on created engines
            settings = settings.model_copy(update={"load": "lazy"})
        model = self._models.get(name)
        # A created engine is loaded again, because its files may have changed, unless it is still loading.
        if model is None or model.engine.settings != settings or not (model.loading or model.engine is self._base):
            model = self._replace(model, name, settings)
        if model.loading is None:
            model.loading = asyncio.create_task(self._load(model, self._unloads(name)))
        loading = model.loading
        await asyncio.wait({loading})
        if loading.cancelled():
            raise Conflict("the model was deleted or replaced while it was loading")
        if error := loading.result():
            raise error
        return model.engine

    async def delete(self, name: str) -> None:
        """Delete a model, and wait until its requests have finished and its memory is free.

        :raises BadRequest: if there is no such model.
        """
        model = self._models.get(name)
        if model is None:
            raise BadRequest("Model not found.")
        await asyncio.shield(self._retire(model))

    async def close(self) -> None:
        """Cancel all loading and unloading. The engine catalog closes the engines."""
        tasks = {*self._unloading, *(model.loading for model in self._models.values() if model.loading)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _replace(self, current: Model | None, name: str, settings: EngineSettings) -> Model:
        """Give a name to the engine with these settings, which is created unless it is the base engine."""
        others = {*self._models, *(task.get_name() for task in self._unloading)} - {name, DEFAULT}
        if name != DEFAULT and len(others) >= self._max_models:
            raise Conflict(
                f"there are {len(others)} models: the limit is fish_api.max_models = {self._max_models}; delete one"
            )
        engine = self._base
        if engine is None or engine.settings != settings:
            engine = ConfiguredEngine.of(settings, self._make_client(PREFIX + name, settings, LABEL), LABEL)
        if current is not None:
            self._retire(current, replaced=True)
        return self._add(name, engine)

    def _add(self, name: str, engine: ConfiguredEngine) -> Model:
        if engine is self._base:
            self._base_names += 1
        self._models[name] = model = Model(name, engine)
        return model

    def _unloads(self, name: str) -> set[asyncio.Task[None]]:
        return {task for task in self._unloading if task.get_name() == name}

    async def _load(self, model: Model, previous: set[asyncio.Task[None]]) -> LoadFailed | None:
        """Load a model's engine after the previous models of its name have been unloaded."""
        client = model.engine.client
        try:
            if previous:
                await asyncio.wait(previous)
            if model.engine is not self._base:
                self._engines.add(model.engine)  # from here on the catalog closes it at shutdown
            await model.engine.loading.load()
        except EngineUnavailable:
            error = LoadFailed(f"the model could not be loaded: {client.status().error}")
            log.warning("a model could not be loaded", model=model.name, error=error.message)
            if not model.listed and self._models.get(model.name) is model:
                self._retire(model)
            return error
        finally:
            model.loading = None
        model.listed = True
        return None

    def _retire(self, model: Model, replaced: bool = False) -> asyncio.Task[None]:
        """Free a model's name at once, and start to unload the model."""
        del self._models[model.name]
        task = asyncio.create_task(self._unload(model, replaced, self._unloads(model.name)), name=model.name)
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)
        return task

    async def _unload(self, model: Model, replaced: bool, previous: set[asyncio.Task[None]]) -> None:
        """Cancel a model's load, and unload the model after its running requests, all of which have a deadline.

        The base engine is unloaded with its last name. An eager one stays loaded when that is replaced, because only
        the name was to change.
        """
        before: set[asyncio.Future[Any]] = {*model.requests, *previous}
        if model.loading:
            model.loading.cancel()
            before.add(model.loading)
        if before:
            await asyncio.wait(before)
        client = model.engine.client
        if model.engine is not self._base:
            await client.unload()
            await client.close()
            self._engines.remove(model.engine.name)
            return
        self._base_names -= 1
        if not self._base_names and not (replaced and model.engine.settings.load == "eager"):
            await client.unload()
