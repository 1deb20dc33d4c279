"""Loading of the engine: capabilities, and errors that name the configuration key."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from msgspec import structs
from support.fish.lm import write_language_model
from support.fish.model import SMALL, write_model

from backends.base import CodecInfo, EngineConfig, Job
from backends.errors import InvalidConfig, InvalidJob, LoadError
from backends.fish.plugin import FishPlugin
from backends.fish.v0_2.config import RATE_HZ

SHORT = {"max_new_tokens": 12, "use_g2p": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return write_model(tmp_path_factory.mktemp("fish"))


def test_capabilities_of_a_loaded_engine(model: dict) -> None:
    config = EngineConfig("fish", device="cpu", dtype="float32", model={**model, "slots": 3})
    engine = FishPlugin(config).load()
    capabilities = engine.capabilities
    assert capabilities.sample_rate_hz == RATE_HZ
    assert capabilities.max_jobs == 3
    assert capabilities.codec == CodecInfo(4, 160, 1024, generates=True)
    assert [voice.name for voice in capabilities.voices] == ["random"]
    engine.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codec_checkpoint": "/nowhere/codec.pth"}, r"engines\.fish\.model\.codec_checkpoint: /nowhere/codec.pth"),
        ({"lm_checkpoint": "hf://nobody"}, r"engines\.fish\.model\.lm_checkpoint: hf://nobody"),
        ({"lm_config": {"vocab": 3}}, r"engines.fish.model.lm_config.vocab"),
        ({"lm_config": "/nowhere/sizes.json"}, "/nowhere/sizes.json"),
        ({"max_tokens": 100_000}, r"engines.fish.model.max_tokens"),
        ({"tokenizer": "/nowhere/tokenizer"}, "/nowhere/tokenizer"),
        ({"quantize": "int3"}, r"engines.fish.model.quantize"),
        ({"speakers": ["random"]}, r"engines.fish.model.speakers"),
        ({"speakers": ["[x]"]}, r"engines.fish.model.speakers.*\[x\]"),
        ({"speakers": ["a", "a"]}, r"engines.fish.model.speakers.*twice"),
        ({"languages": ["jp"]}, r"engines.fish.model.languages"),
        ({"languages": []}, r"engines.fish.model.languages"),
    ],
)
def test_invalid_configuration_key_is_named_before_loading(model: dict, change: dict, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        FishPlugin(EngineConfig("fish", model={**model, **change}))


def test_sizes_that_the_checkpoint_does_not_have_are_named(model: dict) -> None:
    config = {**model, "lm_config": {**model["lm_config"], "n_layer": 3}}
    with pytest.raises(LoadError, match="n_layer = 3"):
        FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=config)).load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_codebooks": 6}, "4 codebooks and the language model 6"),
        ({"codebook_size": 100}, r"lm_config\.codebook_size.*160 codes"),
        ({"vocab_size": 512}, r"model\.tokenizer.*1023.*512"),
    ],
)
def test_parts_that_do_not_fit_together_are_rejected(model: dict, tmp_path: Path, change: dict, message: str) -> None:
    sizes = structs.replace(SMALL, **change)
    given = {key: value for key, value in structs.asdict(sizes).items() if value is not None}
    config = {**model, "lm_config": given, "lm_checkpoint": str(write_language_model(tmp_path, sizes))}
    with pytest.raises(LoadError, match=message):
        FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=config)).load()


@pytest.mark.parametrize(
    ("defaults", "key"),
    [
        ({"order": "xx"}, "order"),
        ({"speaker": "[x]"}, "speaker"),
        ({"max_new_tokens": 1}, "max_new_tokens"),
        ({"prompt_text": "x"}, "prompt_text"),
        ({"prompt_tokens": "AAAA"}, "prompt_tokens"),
        ({"top_p": 3}, "top_p"),
    ],
)
def test_invalid_default_is_rejected(model: dict, defaults: dict, key: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        FishPlugin(EngineConfig("fish", model=model, defaults=defaults))
    assert caught.value.key == f"engines.fish.defaults.{key}"


def test_language_without_its_package_is_dropped_or_named(model: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyopenjtalk", None)
    engine = FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=model, defaults=SHORT)).load()
    assert engine.capabilities.languages == ("zh", "en", "ja")  # letters need no package
    engine.close()
    phonetic = {**SHORT, "use_g2p": True}
    engine = FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=model, defaults=phonetic)).load()
    assert engine.capabilities.languages == ("zh", "en")
    with pytest.raises(InvalidJob) as caught:
        engine.add(Job("a", "こんにちは", 1))
    assert list(caught.value.needs_languages) == ["ja"]
    engine.close()
    named = {**model, "languages": ["ja"]}
    with pytest.raises(LoadError, match=r"languages: ja: .*fish-ja"):
        FishPlugin(EngineConfig("fish", device="cpu", model=named, defaults=phonetic)).load()


def test_sizes_are_read_from_a_file(model: dict, tmp_path: Path) -> None:
    for name, write in (("sizes.json", json.dumps), ("sizes.yaml", yaml.safe_dump)):
        path = tmp_path / name
        path.write_text(write(model["lm_config"]))
        engine = FishPlugin(EngineConfig("fish", device="cpu", model={**model, "lm_config": str(path)})).load()
        engine.close()
