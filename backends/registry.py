"""Registry of engine plugins: entry points in the group ``voxgate.engines``.

Built-in engines are found the same way as those of other packages. Listing names imports nothing; an engine's module,
is imported only when it is configured.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from backends.base import EnginePlugin
from backends.errors import BrokenEngine, DuplicateEngine, UnknownEngine

GROUP = "voxgate.engines"


class Registry:
    """The installed engine plugins.

    :param plugins: entry points; by default those of the running interpreter.
    :raises DuplicateEngine: if two have the same name and different targets.
    """

    def __init__(self, plugins: Iterable[EntryPoint] | None = None):
        self._plugins: dict[str, EntryPoint] = {}
        for plugin in entry_points(group=GROUP) if plugins is None else plugins:
            first = self._plugins.setdefault(plugin.name, plugin)
            # The same distribution may appear twice, e.g. an editable install beside its wheel.
            if first.value != plugin.value:
                raise DuplicateEngine(
                    f"two plugins are named {plugin.name!r}: {_origin(first)} and {_origin(plugin)}; uninstall one"
                )

    def names(self) -> list[str]:
        """The names of all installed engines, sorted."""
        return sorted(self._plugins)

    def check(self, name: str) -> None:
        """Raise ``UnknownEngine`` unless a plugin has that name. Imports nothing."""
        if name not in self._plugins:
            raise UnknownEngine(f"no engine plugin {name!r}; installed: {', '.join(self.names()) or '(none)'}")

    def plugin_class(self, name: str) -> type[EnginePlugin]:
        """Import the plugin's class.

        :raises UnknownEngine: if there is no such plugin.
        :raises BrokenEngine: if it cannot be imported, or is not an ``EnginePlugin``.
        """
        self.check(name)
        plugin = self._plugins[name]
        try:
            found = plugin.load()
        except Exception as error:
            raise BrokenEngine(f"engine {name!r} ({_origin(plugin)}) cannot be imported: {error!r}") from error
        if not (isinstance(found, type) and issubclass(found, EnginePlugin)):
            raise BrokenEngine(
                f"engine {name!r} ({_origin(plugin)}) is {found!r}, not a subclass of backends.base.EnginePlugin"
            )
        if missing := sorted(found.__abstractmethods__):
            raise BrokenEngine(f"engine {name!r} ({_origin(plugin)}) lacks {', '.join(missing)}")
        return found


def _origin(plugin: EntryPoint) -> str:
    owner = plugin.dist.name if plugin.dist else "unknown distribution"
    return f"{plugin.value} of {owner}"
