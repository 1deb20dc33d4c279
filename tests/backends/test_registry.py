"""The registry of engine plugins."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from backends.base import EnginePlugin
from backends.errors import BrokenEngine, DuplicateEngine, UnknownEngine
from backends.registry import GROUP, Registry


def plugin(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


class Half(EnginePlugin):
    def known_voices(self):  # type: ignore[no-untyped-def]
        return ()


def test_built_in_engines_are_registered_as_plugins() -> None:
    registry = Registry()
    assert {"lite", "tone"} <= set(registry.names())
    for name in registry.names():
        assert issubclass(registry.plugin_class(name), EnginePlugin)


def test_unknown_engine_lists_the_installed_ones() -> None:
    with pytest.raises(UnknownEngine, match=r"'tuba'.*installed: a, b"):
        Registry([plugin("b", "x:B"), plugin("a", "x:A")]).plugin_class("tuba")


def test_two_plugins_with_one_name_raise_naming_both() -> None:
    with pytest.raises(DuplicateEngine, match=r"x:A .*y:A"):
        Registry([plugin("a", "x:A"), plugin("a", "y:A")])


def test_plugin_seen_twice_is_registered_once() -> None:
    assert Registry([plugin("a", "x:A"), plugin("a", "x:A")]).names() == ["a"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("no_such_module:Engine", "cannot be imported"),
        ("backends.base:Nothing", "cannot be imported"),
        ("backends.base:no_progress", "not a subclass"),
        ("backends.tone.engine:ToneEngine", "not a subclass of backends.base.EnginePlugin"),
        ("test_registry:Half", "lacks __init__, load"),
    ],
)
def test_broken_plugin_is_named(value: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "test_registry", sys.modules[__name__])
    with pytest.raises(BrokenEngine, match=complaint):
        Registry([plugin("a", value)]).plugin_class("a")


def test_listing_names_imports_no_engine() -> None:
    code = "import sys; from backends.registry import Registry; Registry().names(); print('hibari' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
