"""Engines and voices in the API before the engine is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from support.app import InMemory, in_memory

from backends.base import BuiltinVoice
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine

EARLIER = replace(
    FAKE_CAPABILITIES,
    languages=("zh",),
    voices=(BuiltinVoice("old", "zh"),),
    options_schema={"type": "object", "properties": {"width": {"type": "integer"}}},
    max_reference_s=1.0,
    cloning="none",
)


def sleeping(folder: Path, **engine: Any) -> InMemory:
    engine = {"state": State.UNLOADED, "loads_to": State.READY, "last_load": EARLIER, **engine}
    return in_memory(folder, [FakeEngine(**engine)], load_wait_s=10)


async def shown(gateway: InMemory) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.client.get("/v1/engines/fake")).json()
    return found


async def test_unloaded_engine_shows_its_last_load_and_then_itself(tmp_path: Path) -> None:
    gateway = sleeping(tmp_path)
    engine = await shown(gateway)
    assert (engine["state"], engine["known_from"]) == ("unloaded", "last_load")
    assert (engine["languages"], engine["voices"], list(engine["options_schema"]["properties"])) == (
        ["zh"],
        ["old"],
        ["width"],
    )
    await gateway.client.post("/v1/engines/fake/load")
    engine = await shown(gateway)
    assert (engine["known_from"], engine["languages"], engine["voices"]) == ("loaded", ["en"], ["ada", "grace"])
    await gateway.client.post("/v1/engines/fake/unload")
    engine = await shown(gateway)
    assert (engine["known_from"], engine["languages"]) == ("last_load", ["en"])


async def test_engine_without_a_last_load_shows_nothing(tmp_path: Path) -> None:
    engine = await shown(sleeping(tmp_path, last_load=None))
    assert {engine[name] for name in ("known_from", "model", "languages", "voices")} == {None}


async def test_voices_of_the_last_load_are_listed_as_such(tmp_path: Path) -> None:
    gateway = sleeping(tmp_path)
    (voice,) = (await gateway.client.get("/v1/voices")).json()["voices"]
    assert (voice["id"], voice["engine"], voice["known_from"]) == ("old", "fake", "last_load")
    assert (await gateway.client.get("/v1/audio/voices")).json()["voices"] == [{"id": "old", "name": "old"}]
    await gateway.client.post("/v1/engines/fake/load")
    voices = (await gateway.client.get("/v1/voices")).json()["voices"]
    assert [(voice["id"], voice["known_from"]) for voice in voices] == [("ada", "loaded"), ("grace", "loaded")]


async def test_voices_of_the_configuration_are_listed_instead_of_the_last_loads(tmp_path: Path) -> None:
    gateway = sleeping(tmp_path)
    gateway.app.state.services.engines._known_voices["fake"] = (BuiltinVoice("configured", "en"),)
    (voice,) = (await gateway.client.get("/v1/voices")).json()["voices"]
    assert (voice["id"], voice["known_from"]) == ("configured", "configuration")


async def test_warnings_and_voices_by_model_follow_the_last_load(tmp_path: Path, clip: bytes) -> None:
    gateway = sleeping(tmp_path)
    fields = {"name": "mine", "transcript": "some words"}
    stored = await gateway.client.post("/v1/voices", data=fields, files={"audio": ("a.wav", clip)})
    assert "uses up to 1 s of speech" in stored.json()["warnings"][0]
    assert stored.json().get("known_from") is None
    listed = (await gateway.client.get("/v1/audio/voices?model=fake")).json()["voices"]
    assert [voice["name"] for voice in listed] == ["old"], "the engine did not clone"


async def test_requests_are_checked_against_the_loaded_engine(tmp_path: Path) -> None:
    for body in ({"voice": "ada"}, {"options": {"depth": 2}}, {"language": "en"}):
        gateway = sleeping(tmp_path)
        spoken = await gateway.client.post("/tts", json={"text": "hi", **body})
        assert spoken.status_code == 200, spoken.text
    for body in ({"voice": "old"}, {"options": {"width": 2}}, {"language": "zh"}):
        refused = await sleeping(tmp_path).client.post("/tts", json={"text": "hi", **body})
        assert refused.status_code in (404, 422)
