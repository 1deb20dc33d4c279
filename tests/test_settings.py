from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings_sources import config_folder, load_settings


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


BASE = "default_engine: a\nengines: {a: {backend: tone}}\n"


def test_shipped_configuration_loads() -> None:
    settings = load_settings()
    assert settings.default_engine == "lite"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.limits.text_chars == 5000


def test_every_shipped_configuration_loads() -> None:
    for path in config_folder().glob("*.yaml"):
        if path.name != "checkpoints.yaml":  # a catalog, see test_checkpoints.py
            load_settings(path)


def test_flags_override_the_environment_which_overrides_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "c.yaml", BASE + "port: 1\nhost: file\nlimits: {text_chars: 10, voices: 3}\n")
    monkeypatch.setenv("VOXGATE_PORT", "2")
    monkeypatch.setenv("VOXGATE_LIMITS__TEXT_CHARS", "20")
    monkeypatch.setenv("VOXGATE_ENGINES__A__LOAD", "eager")
    monkeypatch.setenv("VOXGATE_ENGINES__A__MODEL__LOAD_S", "0.5")
    monkeypatch.setenv("VOXGATE_ENGINES__A__DEFAULTS__NOISE", "0.25")
    settings = load_settings(path, {"port": 3, "host": None})
    assert (settings.host, settings.port) == ("file", 3)
    assert (settings.limits.text_chars, settings.limits.voices) == (20, 3)
    assert settings.engines["a"].load == "eager"
    assert settings.engines["a"].model == {"load_s": 0.5}
    assert settings.engines["a"].defaults == {"noise": 0.25}


def test_environment_variable_selects_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXGATE_CONFIG", str(write(tmp_path, "c.yaml", BASE + "port: 7\n")))
    assert load_settings().port == 7


def test_includes_are_read_first_and_relative_to_their_file(tmp_path: Path) -> None:
    write(tmp_path, "engines/a.yaml", "engines: {a: {backend: tone, max_queue: 5, load: eager}}\nport: 9\n")
    path = write(tmp_path, "c.yaml", "include: [engines/a.yaml]\ndefault_engine: a\nengines: {a: {max_queue: 6}}\n")
    settings = load_settings(path)
    assert settings.port == 9
    assert (settings.engines["a"].max_queue, settings.engines["a"].load) == (6, "eager")


def test_include_finds_a_shipped_file_from_every_folder(tmp_path: Path) -> None:
    path = write(tmp_path, "c.yaml", "include: [configs/gateway.yaml]\nengines: {lite: {max_queue: 6}}\n")
    settings = load_settings(path)
    assert sorted(settings.engines) == ["f5", "fish", "lite"]
    assert settings.engines["lite"].max_queue == 6


def test_include_prefers_a_file_beside_the_including_one(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    write(tmp_path, "configs/gateway.yaml", "default_engine: own\nengines: {own: {backend: tone}}\n")
    assert load_settings(write(tmp_path, "c.yaml", "include: [configs/gateway.yaml]\n")).default_engine == "own"


def test_classic_fish_api_uses_the_configured_or_the_first_fish_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = "engines: {a: {backend: tone}, b: {backend: fish}, c: {backend: fish}}\n"
    path = write(tmp_path, "c.yaml", BASE + engines)
    assert load_settings(path).fish_engine == "b"
    assert load_settings(write(tmp_path, "d.yaml", BASE)).fish_engine is None
    monkeypatch.setenv("VOXGATE_FISH_API__ENGINE", "a")
    monkeypatch.setenv("VOXGATE_FISH_API__ROOTS", '["/one", "two"]')
    settings = load_settings(path)
    assert settings.fish_engine == "a"
    assert settings.fish_api.roots == (Path("/one"), Path("two"))


def test_aliases_are_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXGATE_ALIASES__MODELS", '{"tts-1-HD": "a"}')
    monkeypatch.setenv("VOXGATE_ALIASES__VOICES", '{"nova": {"a": "high"}, "onyx": "low"}')
    aliases = load_settings(write(tmp_path, "c.yaml", BASE + "aliases: {models: {s1: a}}\n")).aliases
    assert aliases.models == {"s1": "a", "tts-1-HD": "a"}
    assert aliases.voices == {"nova": {"a": "high"}, "onyx": "low"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "prot: 1\n", "prot: unknown key (set in {path})"),
        (BASE + "port: x\n", "port: Input should be a valid integer"),
        (BASE + "root_path: speech\n", "root_path: String should match pattern"),
        (BASE + "root_path: /speech/\n", "root_path: String should match pattern"),
        (BASE + "root_path: /a b\n", "root_path: String should match pattern"),
        (BASE + "root_path: //a\n", "root_path: String should match pattern"),
        (BASE + "port: 70000\n", "port: Input should be less than or equal to 65535"),
        (BASE + "limits: {text_char: 1}\n", "limits.text_char: unknown key (set in {path})"),
        ("default_engine: a\nengines: {a: {backend: tone, devise: cpu}}\n", "engines.a.devise: unknown key"),
        ("default_engine: b\nengines: {a: {backend: tone}}\n", "default_engine 'b' is not among engines: a"),
        ("default_engine: A\nengines: {A: {backend: tone}}\n", "invalid engine name 'A': must match [a-z][a-z0-9_-]"),
        ("engines: {}\ndefault_engine: a\n", "engines: "),
        ("- a\n- b\n", "expected a mapping"),
        ("a: [1\n", "is not YAML"),
        (BASE + "host: 2024-13-45\n", "is not YAML: month must be in 1..12"),
        (BASE + "port: !!bool x\n", "is not YAML: 'x'"),
        (BASE + "port: !!timestamp x\n", "is not YAML"),
        (BASE + f"port: {'9' * 5000}\n", "is not YAML: Exceeds the limit"),
        (BASE + "host: " + "[" * 5000, "is not YAML: maximum recursion depth exceeded"),
        (BASE + 'include: ["\\0"]\n', "cannot read the configuration file"),
        (BASE + "1: 2\n", "invalid key 1: must be a string"),
        (BASE.replace("a:", "é:").replace(" a", " é"), "invalid engine name 'é'"),
        (BASE + "limits: {reference_min_s: 9, reference_max_s: 3}\n", "reference_min_s is above reference_max_s"),
        (BASE + "fish_api: {engine: b}\n", "fish_api.engine 'b' is not among engines: a"),
        (BASE + "fish_api: {root: /x}\n", "fish_api.root: unknown key (set in {path})"),
        (BASE + "aliases: {models: {tts-1: b}}\n", "aliases.models.tts-1: 'b' is not among engines: a"),
        (BASE + "aliases: {models: {a: a}}\n", "aliases.models.a: an engine has that name"),
        (BASE + "aliases: {voices: {nova: {b: x}}}\n", "aliases.voices.nova: 'b' is not among engines: a"),
        (BASE + "aliases: {voices: {nova: [x]}}\n", "aliases.voices.nova"),
        (BASE + "aliases: {model: {}}\n", "aliases.model: unknown key (set in {path})"),
        (BASE + "hub: {endpoint: x}\n", "hub: endpoint: unknown key; known keys: "),
        (BASE + "hub: {endpoints: [nonsense]}\n", "hub: endpoints[0]: 'nonsense' is not a URL"),
        (BASE + "lexicons: {default: [a b]}\n", "lexicons.default.0: String should match pattern"),
        (BASE + "include: engines.yaml\n", "include must be a list"),
        (BASE + "include: [missing.yaml]\n", "missing.yaml: No such file or directory"),
        (BASE + "include: [c.yaml]\n", "includes itself"),
    ],
)
def test_invalid_setting_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, "c.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert message.format(path=path) in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("VOXGATE_PROT", "1", "unknown environment variable VOXGATE_PROT: must start with one of VOXGATE_ACCESS"),
        ("VOXGATE_PORT", "x", "port: Input should be a valid integer"),
        ("VOXGATE_ENGINES", "x", "malformed"),
        ("VOXGATE_ENGINES__A__DEVISE", "cpu", "engines.a.devise: unknown key (set in VOXGATE_"),
        ("VOXGATE_ENGINES__A", "3", "engines.a"),
        ("VOXGATE_ENGINES__A__DEFAULTS__NOISE", "[", "'[' is not YAML"),
        ("VOXGATE_ENGINES__A__DEFAULTS__NOISE", "2024-13-45", "'2024-13-45' is not YAML"),
    ],
)
def test_invalid_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, "c.yaml", BASE))
    assert message in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]
