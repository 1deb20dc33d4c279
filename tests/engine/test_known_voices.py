from __future__ import annotations

import time
from pathlib import Path

import pytest

from backends.base import BuiltinVoice
from gateway.engine.known_voices import known_voices
from gateway.settings import EngineSettings
from gateway.settings_sources import load_settings

SHIPPED = load_settings(Path(__file__).parents[2] / "configs" / "gateway.yaml").engines


@pytest.mark.parametrize(
    ("name", "voices"), [("lite", ["heart"]), ("f5", ["clear", "deep"]), ("fish", ["random"])], ids=str
)
async def test_voices_of_the_shipped_engines_are_known_before_loading(name: str, voices: list[str]) -> None:
    found = await known_voices(name, SHIPPED[name])
    assert [voice.name for voice in found] == voices


async def test_voices_of_f5s_own_package_are_known() -> None:
    found = await known_voices("f5", EngineSettings(backend="f5", model={"languages": ["en"]}))
    assert [voice.name for voice in found] == ["basic_en"]


@pytest.mark.parametrize(
    "settings",
    [
        EngineSettings(backend="no-such-plugin"),
        EngineSettings(backend="tone", python="/no/such/python"),
        EngineSettings(backend="tone", model={"unknown": 1}),
        EngineSettings(backend="f5", model={"voices": "hf://a/b/voices"}),
        EngineSettings(backend="f5", model={"voices": "no/such/folder"}),
    ],
)
async def test_unknowable_voices_are_left_out(settings: EngineSettings) -> None:
    began_s = time.monotonic()
    assert await known_voices("mine", settings) == ()
    assert time.monotonic() - began_s < 20


async def test_fields_of_a_voice_are_kept() -> None:
    (low, _) = await known_voices("tone", EngineSettings(backend="tone"))
    assert low == BuiltinVoice("low", "en", "220 Hz")
