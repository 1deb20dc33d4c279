"""All engines by name: those configured, and those that requests have loaded since."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.engine.admission import Admission
from gateway.engine.client import EngineClient, State
from gateway.errors import EngineNotFound
from gateway.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class ConfiguredEngine:
    """One engine: its settings, its client, the queue in front of it.

    :param label: what metrics call it; engines whose names come from requests share one.
    """

    settings: EngineSettings
    client: EngineClient
    admission: Admission
    label: str

    @classmethod
    def of(cls, settings: EngineSettings, client: EngineClient, label: str | None = None) -> ConfiguredEngine:
        """Put a queue in front of ``client`` that lets in as many jobs as it asks for.

        :param label: default: the engine's name.
        """

        def capacity() -> int:
            if settings.max_active is not None:
                return settings.max_active
            capabilities = client.capabilities
            return capabilities.max_jobs * settings.replicas if capabilities else 1

        return cls(settings, client, Admission(capacity, settings.max_queue), label or client.name)

    @property
    def name(self) -> str:
        """The name it is configured under."""
        return self.client.name


class Engines:
    """The engines a request can choose from.

    :ivar since_s: when they were put together, in Unix time.
    """

    def __init__(self, engines: Mapping[str, ConfiguredEngine], default: str):
        self._engines = dict(engines)
        self.default = default
        self.since_s = int(time.time())

    def __iter__(self) -> Iterator[ConfiguredEngine]:
        return iter(list(self._engines.values()))

    def add(self, engine: ConfiguredEngine) -> None:
        """List an engine from now on.

        :raises ValueError: when there is one of that name.
        """
        if engine.name in self._engines:
            raise ValueError(f"there is an engine {engine.name!r} already")
        self._engines[engine.name] = engine

    def remove(self, name: str) -> None:
        """List it no longer, if it is listed; closing it first is the caller's business."""
        self._engines.pop(name, None)

    def get(self, name: str | None) -> ConfiguredEngine:
        """The engine of that name, or the default one.

        :raises EngineNotFound: listing the names there are.
        """
        try:
            return self._engines[name or self.default]
        except KeyError:
            names = ", ".join(sorted(self._engines))
            raise EngineNotFound(f"no engine {name!r}; configured: {names}", param="engine") from None

    def start(self) -> None:
        """Begin loading the eager ones."""
        for engine in self:
            if engine.settings.load == "eager":
                engine.client.load()

    @property
    def ready(self) -> bool:
        """Whether the default engine and every eager one can take requests, or would load at the first."""
        return all(
            engine.client.status().state is State.READY
            or (engine.settings.load == "lazy" and engine.client.status().state is State.UNLOADED)
            for engine in self
            if engine.settings.load == "eager" or engine.name == self.default
        )

    async def close(self) -> None:
        """End every engine now."""
        await asyncio.gather(*(engine.client.close() for engine in self))
