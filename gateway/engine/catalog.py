"""All configured engines by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.engine.admission import Admission
from gateway.engine.client import EngineClient, State
from gateway.errors import EngineNotFound
from gateway.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class ConfiguredEngine:
    """One configured engine: its settings, its client, the queue in front of it."""

    settings: EngineSettings
    client: EngineClient
    admission: Admission

    @classmethod
    def of(cls, settings: EngineSettings, client: EngineClient) -> ConfiguredEngine:
        """Put a queue in front of ``client`` that lets in as many jobs as it asks for."""

        def capacity() -> int:
            if settings.max_active is not None:
                return settings.max_active
            capabilities = client.capabilities
            return capabilities.max_jobs * settings.replicas if capabilities else 1

        return cls(settings, client, Admission(capacity, settings.max_queue))

    @property
    def name(self) -> str:
        """The name it is configured under."""
        return self.client.name


class Engines:
    """The engines a request can choose from."""

    def __init__(self, engines: Mapping[str, ConfiguredEngine], default: str):
        self._engines = dict(engines)
        self.default = default

    def __iter__(self) -> Iterator[ConfiguredEngine]:
        return iter(self._engines.values())

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
