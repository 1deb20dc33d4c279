"""Finds engines by their entry points in the group ``voxgate.engines``.

Built-in engines are found the same way as those of other distributions. Listing names imports nothing;
an engine's module, and with it torch, is imported only when that engine is built.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from backends.base import Engine
from backends.errors import BrokenEngine, DuplicateEngine, UnknownEngine

GROUP = "voxgate.engines"


class Registry:
    """The installed engine plugins.

    :param plugins: entry points to choose from; by default those of the running interpreter.
    :raises DuplicateEngine: when two of them claim one name with different targets.
    """

    def __init__(self, plugins: Iterable[EntryPoint] | None = None):
        self._plugins: dict[str, EntryPoint] = {}
        for plugin in entry_points(group=GROUP) if plugins is None else plugins:
            first = self._plugins.setdefault(plugin.name, plugin)
            # The same distribution may be seen twice (an editable install beside its wheel): harmless.
            if first.value != plugin.value:
                raise DuplicateEngine(
                    f"two plugins are named {plugin.name!r}: {_origin(first)} and {_origin(plugin)}; uninstall one"
                )

    def names(self) -> list[str]:
        """Every installed engine's name, sorted."""
        return sorted(self._plugins)

    def check(self, name: str) -> None:
        """Raise ``UnknownEngine`` unless a plugin has that name; imports nothing."""
        if name not in self._plugins:
            raise UnknownEngine(f"no engine plugin {name!r}; installed: {', '.join(self.names()) or '(none)'}")

    def engine_class(self, name: str) -> type[Engine]:
        """Import the engine's class.

        :raises UnknownEngine: no such plugin.
        :raises BrokenEngine: it cannot be imported, or is no ``Engine``.
        """
        self.check(name)
        plugin = self._plugins[name]
        try:
            found = plugin.load()
        except Exception as error:
            raise BrokenEngine(f"engine {name!r} ({_origin(plugin)}) cannot be imported: {error!r}") from error
        if not (isinstance(found, type) and issubclass(found, Engine)):
            raise BrokenEngine(
                f"engine {name!r} ({_origin(plugin)}) is {found!r}, not a subclass of backends.base.Engine"
            )
        if missing := sorted(found.__abstractmethods__):
            raise BrokenEngine(f"engine {name!r} ({_origin(plugin)}) lacks {', '.join(missing)}")
        return found


def _origin(plugin: EntryPoint) -> str:
    owner = plugin.dist.name if plugin.dist else "unknown distribution"
    return f"{plugin.value} of {owner}"
