"""Hints in error messages: which engine or configuration supports what a request needs."""

from __future__ import annotations

from collections.abc import Callable, Collection

from backends.base import Capabilities
from gateway.engine.catalog import ConfiguredEngine, Engines

OFFICIAL_LANGUAGES = frozenset({"en", "ja", "zh"})
OFFICIAL = (
    "`voxgate serve --config configs/official.yaml` serves engines that do; their weights are not for commercial use"
)


def engines_that(engines: Engines, can: Callable[[Capabilities], bool]) -> str:
    """``; engines that can: …`` with the engines whose known capabilities satisfy ``can``; else empty."""
    known = ((engine.name, engine.client.last_load) for engine in engines)
    names = [name for name, capabilities in known if capabilities and can(capabilities)]
    return f"; engines that can: {', '.join(names)}" if names else ""


def engines_for(engines: Engines, languages: Collection[str]) -> str:
    """The engines that support one of these languages, or may once they are loaded, or the configuration that does."""
    needed = set(languages)
    if names := engines_that(engines, lambda capabilities: not needed.isdisjoint(capabilities.languages)):
        return names
    if unloaded := [engine.name for engine in engines if _may_support(engine, needed)]:
        return f"; engines that may, once loaded: {', '.join(unloaded)}"
    official = f": {OFFICIAL}" if needed & OFFICIAL_LANGUAGES else ""
    return f"; no configured engine supports {' or '.join(languages)}{official}"


def _may_support(engine: ConfiguredEngine, languages: set[str]) -> bool:
    if engine.client.last_load is not None:
        return False
    configured = engine.settings.model.get("languages")
    return not isinstance(configured, list | tuple) or not languages.isdisjoint(configured)
