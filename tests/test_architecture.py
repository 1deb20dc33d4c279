"""Architecture rules: import contracts, file sizes and documentation of every part."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("gateway", "backends") for path in (ROOT / folder).rglob("*.py"))
RUNTIMES = ("torch", "torchaudio", "onnxruntime", "transformers", "hibari", "ctranslate2")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_contracts_hold() -> None:
    result = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("module", ["gateway.cli", "gateway.app", "backends.worker.__main__"])
def test_only_engines_import_a_model_runtime(module: str) -> None:
    loaded = run(f"import sys, {module}; print(*[name for name in {RUNTIMES} if name in sys.modules])")
    assert loaded == ""


def test_worker_imports_neither_the_gateway_nor_its_libraries() -> None:
    names = ("gateway", "pydantic", "fastapi")
    code = f"import sys, backends.worker.__main__; print(*[name for name in {names} if name in sys.modules])"
    assert run(code) == ""


def test_only_settings_and_the_command_line_read_the_environment() -> None:
    allowed = {
        "gateway/environment.py",
        "gateway/settings_sources.py",
        "gateway/cli/remote.py",  # VOXGATE_SERVER, the gateway that commands use
        "gateway/cli/fish.py",  # passes the environment to the engine's own tools
        "gateway/audio/decode.py",  # passes the environment to decoders
        "gateway/engine/configuration.py",  # passes the environment to the interpreter of an engine
        "gateway/engine/worker_process.py",  # passes the environment to workers
        "backends/common/memory.py",  # sets oneDNN's cache size unless it is set already
        "backends/worker/check.py",  # removes a list of endpoints, which engine libraries cannot parse
        "backends/worker/loop.py",  # removes a list of endpoints, which engine libraries cannot parse
        "backends/hub/settings.py",  # HF_ENDPOINT, HF_TOKEN …, which other tools set; read at each call
    }
    readers = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                readers.add(str(path.relative_to(ROOT)))
    assert readers <= allowed


def test_files_stay_small() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: size for name, size in sizes.items() if size > 400} == {}
    assert statistics.median(size for size in sizes.values() if size > 5) <= 150


def test_architecture_page_lists_every_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    packages = sorted({path.parent.relative_to(ROOT) for path in SOURCES})
    assert [str(package) for package in packages if f"`{package}/`" not in page] == []


def test_no_test_imports_another_test() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[-1].startswith("test_")], path


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    missing = []

    def walk(model: type, prefix: str = "") -> None:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            if f"`{prefix}{name}`" not in page:
                missing.append(prefix + name)
            kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
            for kind in kinds:
                if hasattr(kind, "model_fields"):
                    walk(kind, f"{prefix}{name}.<name>." if kind is not field.annotation else f"{prefix}{name}.")

    walk(Settings)
    assert missing == []


def test_every_engine_has_a_documented_configuration() -> None:
    import yaml

    from backends.registry import Registry
    from gateway.settings import EngineSettings

    for name in Registry().names():
        if name == "tone":  # a test engine; docs/add_an_engine.md shows it
            continue
        (settings,) = yaml.safe_load((ROOT / f"configs/engines/{name}.yaml").read_text())["engines"].values()
        assert set(settings) == set(EngineSettings.model_fields)


def test_pickle_and_unsafe_yaml_are_not_used() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert "import pickle" not in text, path
        assert "yaml.load(" not in text, path
