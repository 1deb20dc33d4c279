"""examples/ run after the documented install, with the default configuration and its default engine."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import soundfile
from support.gateway_process import Gateway, start_gateway, wait_ready

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TEXT = "Hello from Voxgate."


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("default")
    running = start_gateway(folder, {"include": [str(ROOT / "configs/gateway.yaml")], "port": 0})
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def run(gateway: Gateway, folder: Path, name: str, *arguments: str | Path, stdin: str = "") -> bytes:
    bases = {"OPENAI_BASE_URL": f"{gateway.url}/v1", "FISH_BASE_URL": gateway.url, "VOXGATE_SERVER": gateway.url}
    command = [sys.executable, EXAMPLES / name, *arguments]
    environment = {**os.environ, **bases, "NO_PROXY": "*"}
    done = subprocess.run(command, cwd=folder, env=environment, input=stdin.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_examples_need_only_what_make_install_or_their_first_lines_install() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = {re.split(r"[^\w-]", requirement)[0] for requirement in extras["examples"]}
    assert re.search(r"^\t\$\(UV\).*--editable '\.\[[^]]*\bexamples\]'", (ROOT / "Makefile").read_text(), re.MULTILINE)
    distributions = packages_distributions()
    for example in EXAMPLES.glob("*.py"):
        named = re.findall(r"pip install '?([a-z]+)", example.read_text())  # pipecat-ai has the module pipecat
        for node in ast.walk(ast.parse(example.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in {module.split(".")[0] for module in modules}:
                known = module in sys.stdlib_module_names or (EXAMPLES / f"{module}.py").exists()
                known = known or module == "botocore" or module in named  # botocore is a part of boto3
                assert known or installed.intersection(distributions[module]), f"{example.name} imports {module}"


@pytest.mark.slow
def test_examples_of_openai_and_live_sessions_speak(default: Gateway, tmp_path: Path) -> None:
    run(default, tmp_path, "openai_speech.py", TEXT, "hello.mp3")
    assert 0.8 < soundfile.info(tmp_path / "hello.mp3").duration < 3
    assert len(run(default, tmp_path, "openai_stream.py", TEXT)) > 40_000
    assert len(run(default, tmp_path, "live_client.py", stdin=TEXT)) > 40_000


@pytest.mark.slow
def test_example_of_fish_audio_speaks_and_clones(default: Gateway, tmp_path: Path) -> None:
    run(default, tmp_path, "fish_audio_speech.py", TEXT, "hello.wav")
    assert 0.8 < soundfile.info(tmp_path / "hello.wav").duration < 3
    cloned = run(default, tmp_path, "fish_audio_speech.py", "Hello there.", "cloned.mp3", "hello.wav", TEXT)
    assert b"with the stored voice voice-" in cloned
    assert 0.3 < soundfile.info(tmp_path / "cloned.mp3").duration < 5
    assert default.client.get("/model").json()["total"] == 0
    engine = default.client.get("/v1/engines/f5").json()
    assert (engine["state"], engine["cloning"]) == ("ready", "approximate"), "the first request loaded it"


def test_every_example_has_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [path.name for path in EXAMPLES.glob("*.py") if path.name not in tests] == []
