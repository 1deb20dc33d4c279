"""Catalog of engines by name: the configured ones, and those that requests added."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from backends.base import BuiltinVoice, Capabilities
from gateway.engine.admission import Admission
from gateway.engine.client import EngineClient, State
from gateway.engine.known_voices import known_voices
from gateway.engine.loading import LoadQueue
from gateway.errors import EngineNotFound
from gateway.settings import EngineSettings

KnownFrom = Literal["loaded", "last_load", "configuration"]
"""The source of what is known of an engine: its loaded model, its last load, or its configuration."""


class EngineVoice(NamedTuple):
    """A built-in voice of an engine."""

    engine: str
    voice: BuiltinVoice
    known_from: KnownFrom


@dataclass(frozen=True, slots=True)
class ConfiguredEngine:
    """An engine with its settings, its client, and the queues in front of it.

    :param label: the engine's label in metrics; engines that requests name share one.
    """

    settings: EngineSettings
    client: EngineClient
    admission: Admission
    loading: LoadQueue
    label: str

    @classmethod
    def of(cls, settings: EngineSettings, client: EngineClient, label: str | None = None) -> ConfiguredEngine:
        """Combine a client with an admission queue of the capacity that its settings or its engine define.

        :param label: default: the engine's name.
        """

        def capacity() -> int:
            if settings.max_active is not None:
                return settings.max_active
            capabilities = client.capabilities
            return capabilities.max_jobs * settings.replicas if capabilities else 1

        loading = LoadQueue(client, max(1, settings.max_queue), settings.load_wait_s)
        return cls(settings, client, Admission(capacity, settings.max_queue), loading, label or client.name)

    @property
    def name(self) -> str:
        """The configured name."""
        return self.client.name

    @property
    def waiting(self) -> int:
        """Number of requests that wait for the engine or for a slot of it."""
        return self.loading.waiting + self.admission.waiting

    @property
    def known_from(self) -> KnownFrom | None:
        """The source of ``client.last_load``; None if that is unknown."""
        if self.client.capabilities and self.client.status().state in (State.READY, State.STOPPING):
            return "loaded"
        return "last_load" if self.client.last_load else None

    async def capabilities(self, until: float | None = None) -> Capabilities:
        """The engine's capabilities. If it has never been loaded, load it and wait, as :meth:`LoadQueue.ready`."""
        return self.client.capabilities or await self.loading.ready(until)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot of the ready engine for the duration of the context.

        :raises QueueFull: if a queue is full.
        :raises EngineUnavailable: if the engine is not ready in time.
        """
        await self.loading.ready()
        async with self.admission.slot():
            yield


class Engines:
    """Engines that a request can select.

    :ivar since_s: creation time, in Unix time.
    """

    def __init__(self, engines: Mapping[str, ConfiguredEngine], default: str):
        self._engines = dict(engines)
        self.default = default
        self.since_s = int(time.time())
        self._known_voices: dict[str, tuple[BuiltinVoice, ...]] = {}  # of engines that have not been loaded
        self._probing = asyncio.Lock()

    def __iter__(self) -> Iterator[ConfiguredEngine]:
        return iter(list(self._engines.values()))

    def add(self, engine: ConfiguredEngine) -> None:
        """Add an engine.

        :raises ValueError: if the name is taken.
        """
        if engine.name in self._engines:
            raise ValueError(f"engine {engine.name!r} exists already")
        self._engines[engine.name] = engine

    def remove(self, name: str) -> None:
        """Remove an engine if it is present. The caller closes it first."""
        self._engines.pop(name, None)
        self._known_voices.pop(name, None)

    def get(self, name: str | None) -> ConfiguredEngine:
        """Return the engine with this name, or the default engine.

        :raises EngineNotFound: if the name is unknown; lists the known ones.
        """
        try:
            return self._engines[name or self.default]
        except KeyError:
            names = ", ".join(sorted(self._engines))
            raise EngineNotFound(f"unknown engine {name!r}; configured: {names}", param="engine") from None

    async def built_in_voices(self) -> list[EngineVoice]:
        """Built-in voices, also of engines that have not been loaded, as far as they are known."""
        async with self._probing:
            unknown = [
                engine
                for engine in self
                if engine.client.capabilities is None and engine.name not in self._known_voices
            ]
            found = await asyncio.gather(*(known_voices(engine.name, engine.settings) for engine in unknown))
            self._known_voices.update({engine.name: voices for engine, voices in zip(unknown, found, strict=True)})
        return [voice for engine in self for voice in self._voices_of(engine)]

    def _voices_of(self, engine: ConfiguredEngine) -> list[EngineVoice]:
        """An engine's voices. The plugin, which reads the configured files, knows more than the last load."""
        known_from, last_load = engine.known_from, engine.client.last_load
        voices = last_load.voices if last_load else ()
        if engine.client.capabilities is None and (configured := self._known_voices.get(engine.name)):
            known_from, voices = "configuration", configured
        return [EngineVoice(engine.name, voice, known_from) for voice in voices if known_from]

    def start(self) -> None:
        """Start loading the eager engines."""
        for engine in self:
            if engine.settings.load == "eager":
                engine.client.load()

    @property
    def ready(self) -> bool:
        """Whether the default engine and every eager engine take requests, or load on the first one."""
        return all(
            engine.client.status().state is State.READY
            or (engine.settings.load == "lazy" and engine.client.status().state is State.UNLOADED)
            for engine in self
            if engine.settings.load == "eager" or engine.name == self.default
        )

    async def close(self) -> None:
        """Close all engines without waiting for their jobs."""
        await asyncio.gather(*(engine.client.close() for engine in self))
