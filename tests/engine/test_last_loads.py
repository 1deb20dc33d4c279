"""Capabilities of the last load, kept on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.tone_process import ready

from backends.base import Capabilities, CodecInfo
from backends.text import Alphabet
from gateway.engine import last_loads
from gateway.engine.fake import FAKE_CAPABILITIES
from gateway.engine.last_loads import LastLoads
from gateway.engine.process import ProcessEngine
from gateway.settings import EngineSettings

TONE = EngineSettings(backend="tone", model={"languages": ["en", "de"]})


async def write(folder: Path, capabilities: Capabilities = FAKE_CAPABILITIES) -> None:
    await LastLoads(folder).write("tone", TONE, capabilities)


async def test_all_capabilities_are_read_back(tmp_path: Path) -> None:
    capabilities = Capabilities(
        **{name: getattr(FAKE_CAPABILITIES, name) for name in FAKE_CAPABILITIES.__dataclass_fields__}
        | {"codec": CodecInfo(4, 160, 1024), "alphabet": Alphabet(("LATIN",), "ł€"), "dtype": "float32"}
    )
    await write(tmp_path / "new", capabilities)
    assert LastLoads(tmp_path / "new").read("tone", TONE) == capabilities
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tone.json"], "no temporary file is left"


async def test_another_configuration_name_or_version_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(tmp_path)
    loads = LastLoads(tmp_path)
    assert loads.read("tone", TONE.model_copy(update={"max_queue": 1, "env": {"A": "b"}})) is not None
    for update in ({"backend": "lite"}, {"model": {}}, {"defaults": {"noise": 0}}, {"device": "cpu"}):
        assert loads.read("tone", TONE.model_copy(update=update)) is None
    (tmp_path / "other.json").write_bytes((tmp_path / "tone.json").read_bytes())
    assert loads.read("other", TONE) is None
    monkeypatch.setattr(last_loads, "__version__", "0.0.0")
    assert loads.read("tone", TONE) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:-1] + b"\xff",
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b'"sample_rate_hz":24000', b'"sample_rate_hz":"x"'),
        lambda data: data.replace(b'"model":"fake-1"', b'"model":"' + b"x" * 5 * 2**20 + b'"'),
    ],
    ids=["empty", "cut", "not UTF-8", "nested", "wrong type", "huge"],
)
async def test_damaged_file_is_unknown_until_the_next_load(tmp_path: Path, damage: object) -> None:
    await write(tmp_path)
    path = tmp_path / "tone.json"
    data = path.read_bytes()
    path.write_bytes(damage(data))  # type: ignore[operator]
    assert path.read_bytes() != data
    assert LastLoads(tmp_path).read("tone", TONE) is None
    await write(tmp_path)
    assert path.read_bytes() == data


async def test_unusable_folder_is_logged_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    loads = LastLoads(tmp_path / "file")
    with capture_logs() as logged:
        assert loads.read("tone", TONE) is None
        for _ in range(2):
            await loads.write("tone", TONE, FAKE_CAPABILITIES)
    assert [line["log_level"] for line in logged if line["log_level"] != "info"] == ["warning"]


async def test_engine_knows_the_capabilities_of_an_earlier_process(tmp_path: Path) -> None:
    before = ProcessEngine("tone", TONE, last_loads=LastLoads(tmp_path))
    assert before.last_load is None
    await ready(before)
    loaded = before.capabilities
    await before.close()
    await asyncio.get_running_loop().shutdown_default_executor()
    after = ProcessEngine("tone", TONE, last_loads=LastLoads(tmp_path))
    assert loaded is not None
    assert loaded.languages == ("en", "de")
    assert (after.last_load, after.capabilities) == (loaded, None)
