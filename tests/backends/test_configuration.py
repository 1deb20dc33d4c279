"""Plugins check their configuration without weights, a device or slow libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.base import EngineConfig
from backends.configuration import check_device, check_references
from backends.errors import InvalidConfig
from backends.f5.plugin import F5Plugin
from backends.lite.plugin import LitePlugin
from backends.registry import Registry
from backends.wire import Configure


@pytest.mark.parametrize(
    ("fields", "gpu"),
    [
        ({"device": "cpu"}, False),
        ({"device": "cuda"}, True),
        ({"device": "cuda:1"}, True),
        ({"dtype": "float16,auto"}, True),
        ({"dtype": "float16,auto"}, False),
    ],
)
def test_supported_device_is_accepted(fields: dict[str, Any], gpu: bool) -> None:
    check_device(EngineConfig("mine", **fields), gpu=gpu)


@pytest.mark.parametrize(
    ("fields", "gpu", "message"),
    [
        ({"device": "cuda"}, False, "engines.mine.device: 'cuda' is not supported; use auto or cpu"),
        ({"device": "cudda"}, True, "engines.mine.device: 'cudda' is not supported; use auto, cpu, cuda or cuda:0 …"),
        ({"dtype": "float16"}, False, "engines.mine.dtype: 'float16' is not supported; use auto"),
        (
            {"dtype": "auto,half"},
            True,
            "engines.mine.dtype: 'auto,half' is not supported; use auto or float32 or bfloat16 or float16",
        ),
    ],
)
def test_unsupported_device_is_named(fields: dict[str, Any], gpu: bool, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        check_device(EngineConfig("mine", **fields), gpu=gpu)
    assert str(caught.value) == f"configuration key {message}"


@pytest.mark.parametrize("reference", ["hf://owner/repo", "hf://owner/repo/file@main", "package://backends/f5", None])
def test_reference_is_checked_without_a_download(reference: str | None) -> None:
    check_references({"checkpoint": reference}, "engines.mine.model")


@pytest.mark.parametrize("reference", ["hf://owner", "ftp://x", "package://backends/nowhere", "nowhere.bin", " "])
def test_unusable_reference_is_named(reference: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        check_references({"checkpoint": reference}, "engines.mine.model")
    assert caught.value.key == "engines.mine.model.checkpoint"


def test_last_of_several_files_is_checked_before_the_first_is_fetched() -> None:
    with pytest.raises(InvalidConfig, match=r"engines\.mine\.model\.vocoder: hf://charactr: "):
        F5Plugin(EngineConfig("mine", model={"vocoder": "hf://charactr"}))
    with pytest.raises(InvalidConfig, match=r"engines\.mine\.model\.voices\.emma: no/such/file"):
        LitePlugin(EngineConfig("mine", model={"voices": {"heart": None, "emma": "no/such/file.onnx"}}))


def test_plugins_import_no_slow_library() -> None:
    code = """
import sys
from backends.base import EngineConfig
from backends.registry import Registry
for name in Registry().names():
    Registry().plugin_class(name)(EngineConfig(name)).known_voices()
print([name for name in ("torch", "hibari", "onnxruntime", "tokenizers", "huggingface_hub") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_plugin_loads_several_independent_engines() -> None:
    plugin = Registry().plugin_class("tone")(EngineConfig("tone"))
    first, second = plugin.load(), plugin.load()
    assert first is not second
    assert first.capabilities == second.capabilities


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (Configure("nothing", EngineConfig("mine")), {"error": "no engine plugin 'nothing'; installed: "}),
        (
            Configure("tone", EngineConfig("mine", model={"lod_s": 1})),
            {"error": "configuration key engines.mine.m"},
        ),
        (Configure("tone", EngineConfig("mine")), {"voices": ["low", "high"]}),
    ],
    ids=["unknown plugin", "invalid key", "valid"],
)
def test_check_of_the_worker_answers_with_an_error_or_the_voices(
    message: Configure, answer: dict[str, Any], tmp_path: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-P", "-m", "backends.worker.check"],
        input=msgspec.json.encode(message),
        capture_output=True,
        check=True,
        cwd=tmp_path,
        # Only commas, which huggingface_hub would use as an address.
        env={"HF_ENDPOINT": ","},
    )
    found = msgspec.json.decode(run.stdout)
    if "error" in answer:
        assert found["error"].startswith(answer["error"])
    else:
        assert [voice["name"] for voice in found["voices"]] == answer["voices"]
